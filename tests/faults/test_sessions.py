"""Database sessions that are cut, wrong clocks, poison rows, and many couriers at once."""

import asyncio
import json
import threading
from collections import Counter
from contextlib import contextmanager, suppress

import pymysql
import pytest
from django.conf import settings

from tests.mailers import SMTP

from .conftest import Sink, connect, wait_until
from .test_kills import link_in

pytestmark = pytest.mark.faults

on = {
    "postgres": pytest.param("postgres", marks=pytest.mark.postgres),
    "mariadb": pytest.param("mariadb", marks=pytest.mark.mariadb),
}
on_servers = pytest.mark.parametrize("world", [on["postgres"], on["mariadb"]], indirect=True)
on_postgres = pytest.mark.parametrize("world", [on["postgres"]], indirect=True)


def addresses(total):
    return {f"player{n}@example.com" for n in range(total)}


def is_done(world, expected):
    """Return whether every account has a message and nothing is on its way."""
    return set(world.sink.by_recipient()) >= expected and not world.unfinished()


def report(world):
    return f"{Counter(row['state'] for row in world.rows())}\n{world.log_text()}"


def assert_each_got_one(world, expected):
    """Assert that each address got exactly one message and every row is marked as sent."""
    received = world.sink.by_recipient()
    assert set(received) == expected
    assert {address: len(messages) for address, messages in received.items()} == dict.fromkeys(
        expected, 1
    )
    assert Counter(row["state"] for row in world.rows()) == {"sent": len(expected)}


# Sessions that are cut


class SlowSink(Sink):
    """Takes a tenth of a second for each message, so that there is something to cut off."""

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        await asyncio.sleep(0.1)
        return await super().handle_DATA(server, session, envelope)


def cutter_for_postgres(name):
    """Return a function that cuts and counts every session of a database, and its close."""
    control = connect(settings.DATABASE_URLS["postgres"])

    def cut():
        sessions = control.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        return len(sessions.fetchall())

    return cut, control.close


def cutter_for_mariadb(name):
    """The same for MariaDB."""
    control = connect(settings.DATABASE_URLS["mariadb"])

    def cut():
        killed = 0
        with control.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", [name])
            for (session,) in cursor.fetchall():
                # It may have ended by itself.
                with suppress(pymysql.err.OperationalError):
                    cursor.execute(f"KILL {int(session)}")
                    killed += 1
        return killed

    return cut, control.close


CUTTERS = {"postgres": cutter_for_postgres, "mysql": cutter_for_mariadb}


@contextmanager
def sessions_cut(database_url):
    """Cut every session of a database four times a second; yields how many each time."""
    scheme, _, rest = database_url.partition("://")
    cut, close = CUTTERS[scheme](rest.rpartition("/")[2])
    over = threading.Event()
    cuts = []

    def run():
        while not over.wait(0.25):
            cuts.append(cut())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield cuts
    finally:
        over.set()
        thread.join()
        close()


@on_servers
def test_cut_sessions(world):
    """However often sessions are cut, nothing is lost; a copy needs an ambiguous attempt."""
    world.sink = SlowSink()
    world.serve()
    world.ask(150)
    expected = addresses(150)
    world.start_couriers(3, FAULTS_DEADLINE="4", FAULTS_SCHEDULE_SCALE="0.01")
    with sessions_cut(world.database_url) as cuts:
        # Asked of the server, not of the database, where a look would be cut off as well.
        wait_until(lambda: set(world.sink.by_recipient()) >= expected, world.log_text)
    wait_until(lambda: not world.unfinished(), lambda: report(world))
    assert len(cuts) >= 10
    assert sum(cuts) >= len(cuts)
    rows = {row["address"]: row for row in world.rows()}
    assert Counter(row["state"] for row in rows.values()) == {"sent": 150}
    received = world.sink.by_recipient()
    assert set(received) == expected
    doubled = doubts = 0
    for address, messages in received.items():
        row = rows[address]
        assert len(messages) <= 1 + row["doubts"]
        assert {message["Message-ID"] for message in messages} == {row["message_id"]}
        assert len({link_in(message) for message in messages}) == 1
        assert row["sends"] == 1
        doubled += len(messages) - 1
        doubts += row["doubts"]
    # Without repeated marking, two hundred are duplicated; a machine that stalls for longer than a
    # lease may duplicate a few in any case.
    assert doubled <= 5, f"{doubled} doubled, {doubts} doubts, {sum(cuts)} sessions cut"


# Sessions that may not write


@contextmanager
def read_only(world):
    """Make every session of a database read-only, new ones too."""
    name = world.database_url.rpartition("/")[2]
    cut, close = cutter_for_postgres(name)
    with connect(settings.DATABASE_URLS["postgres"]) as control:
        control.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        cut()
        try:
            yield
        finally:
            # Sessions that began in between stay read-only until they are closed.
            control.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            close()


LONG_ID = "tests.faults.long_id.EmailBackend"


@on_servers
def test_a_long_id(world):
    """A provider's id that is too long for the column does not repeat the message."""
    world.serve()
    world.ask(10)
    world.start_couriers(1, FAULTS_BACKEND=LONG_ID, FAULTS_SCHEDULE_SCALE="0.01")
    wait_until(lambda: is_done(world, addresses(10)), lambda: report(world))
    assert_each_got_one(world, addresses(10))
    assert {row["doubts"] for row in world.rows()} == {0}


@on_postgres
@pytest.mark.parametrize("backend", [SMTP, LONG_ID], ids=["smtp", "a long id"])
def test_read_only_sessions(world, backend):
    """A database that refuses writes for a while, as in a switch-over, duplicates no message."""
    world.sink = SlowSink()
    world.serve()
    world.ask(60)
    world.start_couriers(
        2, FAULTS_BACKEND=backend, FAULTS_DEADLINE="4", FAULTS_SCHEDULE_SCALE="0.01"
    )
    for times in (1, 2, 3):
        wait_until(lambda least=10 * times: len(world.sink.messages) >= least, world.log_text)
        with read_only(world):
            threading.Event().wait(2)
    wait_until(lambda: is_done(world, addresses(60)), lambda: report(world))
    assert_each_got_one(world, addresses(60))
    assert {row["doubts"] for row in world.rows()} == {0}


# Clocks that are wrong


HOLD_BACK = """
import django, json, sys
django.setup()
from datetime import timedelta
from resend_confirmation import database
from resend_confirmation.models import Delivery
due = database.now() + timedelta(seconds=8)
pks = list(Delivery.objects.order_by("pk").values_list("pk", flat=True)[:20])
Delivery.objects.filter(pk__in=pks).update(not_before=due)
held = Delivery.objects.filter(pk__in=pks).values_list("confirmation__address", "identity")
json.dump([due.timestamp(), [address or identity for address, identity in held]], sys.stdout)
"""


@on_servers
@pytest.mark.parametrize("offset", [3600, -3600])
@pytest.mark.parametrize("quiet", [False, True], ids=["candid", "quiet"])
def test_a_wrong_clock(world, offset, quiet):
    """A courier an hour off next to one that is right: nothing is duplicated, early or stuck."""
    world.serve()
    world.ask(80, **({"FAULTS_QUIET": "1"} if quiet else {}))
    expected = addresses(80)
    due, held = json.loads(world.run("-c", HOLD_BACK))
    world.start_couriers(1, FAULTS_CLOCK_OFFSET=str(offset))
    world.start_couriers(1)
    wait_until(lambda: is_done(world, expected), lambda: report(world))
    assert f"this clock and the database's differ by {offset} s" in world.log_text()
    assert_each_got_one(world, expected)
    # Each process reads the database's clock to within a round trip.
    early = [(to, due - at) for to, at in world.sink.arrivals if to in held and at < due - 0.5]
    assert (len(held), early) == (20, [])


@on_servers
@pytest.mark.parametrize("offset", [3600, -3600])
def test_wrong_clocks_alone(world, offset):
    """Couriers that are all an hour off carry what is due by the database's clock."""
    world.serve()
    world.ask(40, FAULTS_QUIET="1")
    world.start_couriers(2, FAULTS_CLOCK_OFFSET=str(offset))
    wait_until(lambda: is_done(world, addresses(40)), lambda: report(world))
    assert_each_got_one(world, addresses(40))


# Poison


POISON = """
import django
django.setup()
from django.contrib.auth import get_user_model
from resend_confirmation.models import Confirmation, Delivery
first = Delivery.objects.get(confirmation__address="player20@example.com")
Delivery.objects.filter(pk=first.pk).update(client="poison")
get_user_model().objects.filter(email="player40@example.com").update(email="no address at all")
Confirmation.objects.filter(address="player40@example.com").update(address="no address at all")
"""


@on_postgres
def test_poison_between_good_rows(world, tmp_path):
    """Deliveries whose message cannot be written end, each with its reason, and block no others."""
    templates = tmp_path / "templates" / "resend_confirmation" / "poison"
    templates.mkdir(parents=True)
    (templates / "message.txt").write_text("{% include 'nowhere/at/all.txt' %}")
    world.serve()
    world.ask(60)
    world.run("-c", POISON)
    world.start_couriers(
        2, FAULTS_TEMPLATES=str(tmp_path / "templates"), FAULTS_SCHEDULE_SCALE="0.001"
    )
    good = addresses(60) - {"player20@example.com", "player40@example.com"}
    wait_until(lambda: is_done(world, good), lambda: report(world))
    received = world.sink.by_recipient()
    assert {address: len(messages) for address, messages in received.items()} == dict.fromkeys(
        good, 1
    )
    rows = world.rows()
    assert Counter(row["state"] for row in rows) == {"sent": 58, "failed": 1, "abandoned": 1}
    (poison,) = (row for row in rows if row["state"] == "failed")
    assert (poison["client"], poison["reason"]) == ("poison", "crashed")
    assert (poison["error_class"], poison["attempts"]) == ("Crashed", 6)
    (invalid,) = (row for row in rows if row["state"] == "abandoned")
    assert invalid["address"] == "no address at all"
    assert (invalid["reason"], invalid["attempts"]) == ("address_changed", 1)


# A crowd


def test_twenty_couriers(world):
    """Twenty couriers on one queue send each of 200 messages exactly once."""
    world.serve()
    world.ask(200)
    world.start_couriers(20)
    wait_until(lambda: is_done(world, addresses(200)), lambda: report(world))
    assert_each_got_one(world, addresses(200))
    rows = world.rows()
    assert {row["sends"] for row in rows} == {1}
    assert {row["doubts"] for row in rows} == {0}


def test_a_budget_under_twenty_couriers(world):
    """Twenty couriers use up an hour's budget of 30, except for the share of sign-ups."""
    world.serve()
    world.ask(60)
    world.start_couriers(20, FAULTS_BUDGET="30", FAULTS_SCHEDULE_SCALE="0.01")

    def is_spent():
        """Return whether the budget has put many deliveries off and none is being sent."""
        rows = world.rows()
        put_off = sum(row["error_class"] == "HourlyBudget" for row in rows)
        return put_off >= 20 and not any(row["state"] == "sending" for row in rows)

    wait_until(is_spent, lambda: report(world))
    assert sorted(map(len, world.sink.by_recipient().values())) == [1] * 24
    rows = world.rows()
    assert Counter(row["state"] for row in rows) == {"sent": 24, "queued": 36}
    assert {row["attempts"] for row in rows if row["state"] == "queued"} == {0}
