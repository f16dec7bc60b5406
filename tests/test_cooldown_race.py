"""The cooldown under a race: of many simultaneous requests, one gets through."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event

import pytest
from django.db import connection, connections, transaction
from django.db.models import F
from django.test import Client

from resend_confirmation import clients, engine
from resend_confirmation.engine import ResendRequest
from resend_confirmation.limits import cooldown
from resend_confirmation.models import Cooldown, Delivery
from resend_confirmation.outcomes import Outcome

from .factories import PendingFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

# SQLite lets one writer in at a time, so that more of them only wait for longer.
ASKERS = 10 if connection.vendor == "sqlite" else 50


def at_once(function, many=ASKERS):
    """Call ``function`` in ``many`` threads at once and return what they returned or raised."""
    barrier = Barrier(many)

    def call(place):
        try:
            connection.ensure_connection()
            barrier.wait(60)
            return function(place)
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(call, range(many)))


def errors_in(results):
    return [result for result in results if isinstance(result, Exception)]


def expect_one(waits):
    """Assert that one was granted and the others wait for about 60 seconds."""
    assert errors_in(waits) == []
    granted, *others = sorted(waits)
    assert granted == 0
    assert len(others) == ASKERS - 1
    assert others[0] >= 30
    assert others[-1] <= 90


def take(place):
    with transaction.atomic():
        return cooldown.take("jane@example.com")


def test_first_slot():
    """Of many that race to insert the first row exactly one wins, and none gets an error."""
    expect_one(at_once(take))
    assert Cooldown.objects.get().hour_count == 1


def test_next_slot():
    """Of many that race for a slot that just became free exactly one wins."""
    take(0)
    Cooldown.objects.update(last_at=F("last_at") - timedelta(seconds=60))
    expect_one(at_once(take))
    assert Cooldown.objects.get().hour_count == 2


def test_last_slot_of_the_hour(settings):
    """Without a gap, exactly as many get through as the hour has slots.

    The row exists before: InnoDB ends some of several simultaneous inserts as deadlocks, which the
    engine retries and this test does not.
    """
    ours = settings.RESEND_CONFIRMATION
    settings.RESEND_CONFIRMATION = ours | {"COOLDOWN": ["7/h"]}
    assert take(0) == 0
    waits = at_once(take)
    assert errors_in(waits) == []
    assert waits.count(0) == 6
    assert Cooldown.objects.get().hour_count == 7


@pytest.fixture
def meet(monkeypatch):
    """Let 20 threads find no row together, and the first of them insert before the others."""
    looked, taken = Barrier(20), Event()
    winner: list[int] = []
    met: set[int] = set()
    update = cooldown._update

    def look(*args):
        found = update(*args)
        me = threading.get_ident()
        if me not in met:
            met.add(me)
            looked.wait(60)
            assert me in winner or taken.wait(60)
        return found

    # SQLite lets one writer in at a time, so that there is no race.
    if connection.vendor != "sqlite":
        monkeypatch.setattr(cooldown, "_update", look)
    return taken, winner


def test_a_winner_that_rolls_back(meet):
    """If the taker of the first slot rolls back, exactly one of those waiting wins."""
    taken, winner = meet
    PendingFactory.create(username="jane", email="jane@example.com")
    client = clients.default()

    def ask(place):
        if place:
            return engine.resend(ResendRequest(identity="jane", client=client)).ending
        winner.append(threading.get_ident())
        with transaction.atomic():
            wait = cooldown.take("jane@example.com")
            taken.set()
            # The others' INSERTs come to wait for this one; fewer make the race less hard.
            time.sleep(0.3)
            transaction.set_rollback(True)
            return wait

    first, *endings = at_once(ask, 20)
    assert errors_in(endings) == []
    # On SQLite another may have been first.
    assert first == 0 or connection.vendor == "sqlite"
    assert endings.count(Outcome.SENT) == 1
    assert Delivery.objects.count() == Cooldown.objects.get().hour_count == 1


def test_candid_requests():
    """Of many candid requests for one account exactly one queues a message."""
    PendingFactory.create(username="jane", email="jane@example.com")
    client = clients.default()

    def ask(place):
        identity = ("jane", "JANE@example.com")[place % 2]
        return engine.resend(ResendRequest(identity=identity, client=client)).ending

    endings = at_once(ask)
    assert errors_in(endings) == []
    assert endings.count(Outcome.SENT) == 1
    assert endings.count(Outcome.COOLING_DOWN) == ASKERS - 1
    assert Delivery.objects.count() == 1


def test_a_slot_that_goes_after_the_look_up():
    """A request that finds its slot taken after the look-up queues nothing."""
    PendingFactory.create(username="jane", email="jane@example.com")
    client = clients.default()
    assert engine.resend(ResendRequest(identity="jane", client=client)).ending is Outcome.SENT
    Cooldown.objects.update(last_at=F("last_at") - timedelta(hours=1))

    def rival(result):
        assert take(0) == 0

    late = ResendRequest(identity="jane", client=client, before_storing=rival)
    assert engine.resend(late).ending is Outcome.COOLING_DOWN
    assert Delivery.objects.count() == 1


def ask_over_http(place):
    """Send one request, each time with another name of the account."""
    who = ("jane", "JANE@example.com", " jane", "\uff4aane@example.com")[place % 4]
    body = {"user": who}
    return Client().post("/user/confirmation", body, "application/json").status_code


@pytest.fixture(params=[1, 7])
def allowed(request, settings):
    """The number of slots: one for the gap, or without a gap those of the hour and day."""
    if request.param > 1:
        limits = {"COOLDOWN": ["9/h", f"{request.param}/d"]}
        settings.RESEND_CONFIRMATION = settings.RESEND_CONFIRMATION | limits
    return request.param


@pytest.mark.urls("shop.versioned")
def test_requests(allowed):
    """Of many requests at once, by user name or address, as many pass as there are slots."""
    PendingFactory.create(username="jane", email="jane@example.com")
    statuses = at_once(ask_over_http)
    assert errors_in(statuses) == []
    assert Counter(statuses) == {202: allowed, 429: ASKERS - allowed}
    assert Delivery.objects.count() == allowed
    assert Cooldown.objects.get().hour_count == allowed


@pytest.mark.urls("shop.versioned")
def test_quiet_requests(allowed, settings):
    """The same holds for a quiet dialect, resolved by several couriers at once."""
    settings.RESEND_CONFIRMATION = settings.RESEND_CONFIRMATION | {"QUIET": ["versioned"]}
    PendingFactory.create(username="jane", email="jane@example.com")
    assert at_once(ask_over_http) == [202] * ASKERS
    assert errors_in(at_once(lambda place: engine.resolve(), 5)) == []
    states = Counter(Delivery.objects.values_list("state", "reason"))
    assert states == {("queued", ""): allowed, ("ignored", "cooling_down"): ASKERS - allowed}
    assert Cooldown.objects.get().hour_count == allowed


def test_many_addresses():
    """Addresses do not block each other: each gets through once."""

    def take_one(place):
        with transaction.atomic():
            return cooldown.take(f"jane{place % 5}@example.com")

    waits = at_once(take_one)
    assert errors_in(waits) == []
    assert waits.count(0) == 5


def test_name():
    """A cooldown's name is the beginning of its digest."""
    assert str(Cooldown(digest="0123456789abcdef" * 4)) == "01234567…"
