"""``manage.py resend_confirmation send`` in bulk: runs, their filters, and what they promise."""

import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.db.models import F, Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from resend_confirmation import accounts, clients, engine
from resend_confirmation.accounts import ConfirmationStore
from resend_confirmation.accounts.users import within
from resend_confirmation.deliveries import outbox
from resend_confirmation.engine import ResendRequest, runs
from resend_confirmation.limits import cooldown
from resend_confirmation.management import bulk
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Run, Suppression
from resend_confirmation.outcomes import Outcome, Standing
from resend_confirmation.signals import delivery_changed

from .factories import PendingFactory, UserFactory, address_of
from .test_admin import FIRST
from .test_command import NOON, Ran, waiting

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def served(**values):
    """Return the user names of those for whom a message was queued, in the order of the rows."""
    rows = Delivery.objects.filter(**values).order_by("pk")
    return [name for (name,) in rows.values_list("confirmation__account__username")]


def end_cooldowns():
    """Let every cooldown end, and every message that is due be sent."""
    Cooldown.objects.update(last_at=F("last_at") - timedelta(hours=1), hour_count=0)
    Cooldown.objects.update(sent_at=F("sent_at") - timedelta(hours=1))


class TestOncePerRun:
    def test_a_limit_goes_on_where_the_last_call_ended(self):
        """Three calls with a limit reach three times as many, long after their cooldowns."""
        for number in range(7):
            waiting(f"p{number}")
        for call in range(3):
            ran = Ran("send", "--pending", "--run", "outage", "--limit", "2")
            assert f"queued: {2}" in ran.lines
            assert ran.code == 0, call
            engine.drain()
            end_cooldowns()
        assert served() == ["p0", "p1", "p2", "p3", "p4", "p5"]
        assert Ran("send", "--pending", "--run", "outage").lines == [
            "already queued in this run: 6",
            "queued: 1",
        ]
        assert Ran("send", "--pending", "--run", "outage").code == 0
        assert len(served()) == 7
        assert Run.objects.get().queued == 7

    def test_a_run_without_a_name_is_that_of_the_day(self, clock):
        """The default name is the date, so that a second call repeats nobody on that day."""
        waiting("ann")
        Ran("send", "--pending")
        engine.drain()
        clock.move(hours=2)
        assert Ran("send", "--pending").lines == ["already queued in this run: 1"]
        clock.move(days=1)
        assert Ran("send", "--pending").lines == ["queued: 1"]
        assert list(Run.objects.values_list("name", flat=True)) == ["2030-01-01", "2030-01-02"]

    def test_who_has_a_message_under_way_gets_no_second_one(self, pending):
        """A message that the account waits for is enough."""
        account = accounts.of(pending.pk, pending.email)
        assert account
        engine.send_to(account)
        assert Ran("send", "--pending").lines == ["already under way: 1"]
        assert Delivery.objects.count() == 1

    def test_a_cooldown_delays(self, pending, clock):
        """A message to an address within its cooldown is sent when that is over."""
        assert Ran("send", "pending").code == 0
        engine.drain()
        assert Ran("send", "--pending").lines == ["queued after the cooldown: 1"]
        engine.drain()
        assert len(mail.outbox) == 1
        clock.move(seconds=61)
        engine.drain()
        assert len(mail.outbox) == 2
        assert Cooldown.objects.get().hour_count == 2

    def test_who_confirmed_meanwhile_is_passed_over(self, pending):
        """A queued message is not sent to somebody who has confirmed, nor is another queued."""
        waiting("other")
        Ran("send", "--pending", "--run", "a")
        Confirmation.objects.filter(account=pending).update(state="confirmed")
        engine.drain()
        assert [message.to for message in mail.outbox] == [["other@example.com"]]
        assert Ran("send", "--pending", "--run", "b").lines == ["queued after the cooldown: 1"]

    def test_accounts_that_share_an_address(self, clock):
        """Their messages follow one another, one for each cooldown."""
        for name in ("one", "two", "three"):
            PendingFactory(username=name, email="shared@example.com")
        assert sorted(Ran("send", "--pending").lines) == [
            "queued after the cooldown: 2",
            "queued: 1",
        ]
        for count in (1, 2, 3):
            engine.drain()
            assert len(mail.outbox) == count
            clock.move(seconds=61)
        assert Cooldown.objects.get().hour_count == 3

    def test_the_link_is_that_of_the_newest_message(self, pending):
        """The message keeps the client and the landing of the newest one."""
        client = clients.by_name("arcade")
        asked = ResendRequest(
            identity="pending", client=client, dialect=FIRST, client_state="s", payload="p"
        )
        assert engine.resend(asked).ending is Outcome.SENT
        engine.drain()
        end_cooldowns()
        Ran("send", "--pending")
        row = Delivery.objects.latest("pk")
        facts = (row.client, row.dialect, row.client_state, row.payload)
        assert facts == ("arcade", FIRST, "s", "p")

    def test_a_client_that_is_gone(self):
        """If the client of the newest message is gone, the default client is used."""
        user = waiting("ann", client="gone")
        row = Confirmation.objects.get(account=user)
        now = timezone.now()
        Delivery.objects.create(
            confirmation=row, client="gone", state="sent", asked_at=now, not_before=now
        )
        Ran("send", "--pending")
        assert Delivery.objects.latest("pk").client == "game"

    @pytest.mark.usefixtures("at_once")
    def test_signals(self, pending):
        """Receivers hear of each message that a run queues or cancels."""
        heard: list[Any] = []

        def note(sender, delivery_id, state, reason, **kwargs):
            heard.append((delivery_id, state, reason))

        delivery_changed.connect(note)
        try:
            Ran("send", "--pending", "--run", "a")
            Ran("cancel", "a")
        finally:
            delivery_changed.disconnect(note)
        pk = Delivery.objects.get().pk
        assert heard == [(pk, "queued", ""), (pk, "abandoned", "cancelled")]

    def test_a_run_older_than_the_record_of_it(self, pending, clock):
        """It is refused, since those it wrote to may be forgotten."""
        Ran("send", "--pending", "--run", "old")
        clock.move(days=400)
        ran = Ran("send", "--pending", "--run", "old")
        assert ran.code == 1
        assert "The run old began before the retention of deliveries" in ran.complaint


class TestFilters:
    """Options that choose the accounts of a run."""

    @pytest.fixture
    def people(self):
        now = timezone.now()
        hour = timedelta(hours=1)
        waiting(
            "old",
            requested_at=now - 3 * hour,
            client="arcade",
            language="de-AT",
            last_sent_at=now - 3 * hour,
            last_delivery_state="bounced",
        )
        waiting(
            "middle",
            requested_at=now - hour,
            client="game",
            language="de",
            last_sent_at=now - hour,
            last_delivery_state="delivered",
        )
        waiting("new", requested_at=now - timedelta(minutes=1), client="game", language="den")
        user: Any = PendingFactory(username="other", email="other@EXÄMPLE.org")
        row = Confirmation.objects.get(account=user)
        Confirmation.objects.filter(pk=row.pk).update(requested_at=now - 3 * hour)
        Delivery.objects.create(
            confirmation=row,
            client="game",
            dialect=FIRST,
            state="failed",
            asked_at=now,
            not_before=now,
        )

    @pytest.mark.parametrize(
        ("arguments", "names"),
        [
            (["--older-than", "2h"], ["old", "other"]),
            (["--newer-than", "2h"], ["middle", "new"]),
            (["--older-than", "30m", "--newer-than", "2h"], ["middle"]),
            (["--older-than", "3d"], []),
            (["--newer-than", "3660d"], ["middle", "new", "old", "other"]),
            (["--last-state", "bounced"], ["old"]),
            (["--never-sent"], ["new", "other"]),
            (["--not-sent-since", "2h"], ["new", "old", "other"]),
            (["--client", "arcade"], ["old"]),
            (["--dialect", FIRST], ["other"]),
            (["--language", "de"], ["middle", "old"]),
            (["--language", "DE_at"], ["old"]),
            (["--domain", "exämple.ORG"], ["other"]),
            (["--domain", "xn--exmple-cua.org"], ["other"]),
            (["--domain", "ple.com"], []),
            (["--never-sent", "--domain", "example.com"], ["new"]),
        ],
    )
    def test_pending(self, people, arguments, names):
        """Only those who match all filters get a message."""
        before = set(Delivery.objects.values_list("pk", flat=True))
        ran = Ran("send", "--pending", *arguments)
        assert (ran.code, ran.lines) == (
            0,
            [f"queued: {len(names)}"] if names else ["no pending accounts"],
        )
        rows = Delivery.objects.exclude(pk__in=before)
        found = rows.values_list("confirmation__account__username", flat=True)
        assert sorted(found) == names

    def test_an_account_without_a_confirmation(self, change):
        """It has no request, client or language that could match, but no message either."""
        change(ACCOUNTS="tests.test_bulk.Everybody")
        UserFactory(username="imported")
        for arguments in (
            ["--older-than", "1s"],
            ["--newer-than", "7d"],
            ["--client", "game"],
            ["--dialect", FIRST],
            ["--language", "de"],
            ["--last-state", "sent"],
            ["--domain", "example.org"],
        ):
            assert Ran("send", "--pending", *arguments).lines == ["no pending accounts"]
        arguments = ["--never-sent", "--not-sent-since", "1h", "--domain", "example.com"]
        assert Ran("send", "--pending", *arguments).lines == ["queued: 1"]
        row = Delivery.objects.get()
        assert (row.client, row.confirmation and row.confirmation.state) == ("game", "pending")


class TestFile:
    """Identities from a file, or from the standard input."""

    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "people"
        path.write_bytes(
            b"\xef\xbb\xbfann\r\n\n  BEN@example.com \nann@example.com\nnobody\nconfirmed\nx\xff\n"
        )
        waiting("ann")
        waiting("ben")
        return str(path)

    def test_each_account_gets_one_message(self, path, confirmed):
        """An account that is named twice gets one message; what is not queued has a line."""
        ran = Ran("send", "--file", path)
        assert ran.lines == [
            "nobody: no matching account",
            "confirmed: already confirmed",
            "x\\udcff: not a valid address or user name",
            "no matching account: 1",
            "already confirmed: 1",
            "not a valid address or user name: 1",
            "queued: 2",
        ]
        assert (ran.code, ran.complaint) == (1, "3 of 5 were not queued.")
        assert served() == ["ann", "ben"]

    def test_standard_input(self, path, monkeypatch):
        """A dash is the standard input; there is nobody to ask then."""
        monkeypatch.setattr("sys.stdin", Typed("ben\nann\n"))
        ran = Ran("send", "--file", "-", "--limit", "1", "--batch-size", "1")
        assert (ran.lines, ran.code) == (["queued: 1"], 0)
        assert served() == ["ben"]

    def test_filters_apply(self, path):
        """The filters choose among the accounts that are named."""
        assert Ran("send", "--file", path, "--last-state", "bounced").lines[-1] != "queued: 2"
        assert not Delivery.objects.exists()


class Typed(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self):
        return True


class TestQuestion:
    """Before a run begins, the command asks if somebody is there."""

    @pytest.mark.parametrize(
        ("typed", "count"), [("y\n", 1), ("YES\n", 1), ("n\n", 0), ("\n", 0)], ids=ascii
    )
    def test_at_a_terminal(self, pending, monkeypatch, capsys, typed, count):
        """Only a yes begins the run."""
        monkeypatch.setattr("sys.stdin", Typed(typed))
        ran = Ran("send", "--pending", "--run", "outage")
        question = "Queue messages for up to 1 accounts, as run outage? [y/N] "
        assert capsys.readouterr().out == question
        assert Delivery.objects.count() == Run.objects.count() == count
        assert ran.code == 1 - count
        assert ran.complaint == ("" if count else "Nothing was queued.")

    @pytest.mark.parametrize("option", ["--yes", "--dry-run"])
    def test_unasked(self, pending, monkeypatch, capsys, option):
        """With --yes, or if nothing will be queued, it does not ask."""
        monkeypatch.setattr("sys.stdin", Typed(""))
        assert Ran("send", "--pending", option).code == 0
        assert capsys.readouterr().out == ""


class TestDryRun:
    def test_it_shows_ten_and_writes_nothing(self):
        """It prints how many there are and the first ten, and starts no run and no cooldown."""
        for number in range(12):
            waiting(f"p{number:02}")
        Ran("send", "p00")
        engine.drain()
        before = [model.objects.count() for model in (Delivery, Cooldown, Run)]
        ran = Ran("send", "--pending", "--dry-run", "--batch-size", "5")
        shown = [f"p{number:02}@example.com: would be queued" for number in range(10)]
        totals = ["would be queued after the cooldown: 1", "would be queued: 11"]
        assert (ran.lines, ran.code) == ([*shown, *totals], 0)
        assert [model.objects.count() for model in (Delivery, Cooldown, Run)] == before

    def test_of_a_run_that_exists(self):
        """Those whom the run wrote to are left out."""
        for name in ("one", "two"):
            waiting(name)
        Ran("send", "--pending", "--run", "a", "--limit", "1")
        ran = Ran("send", "--pending", "--run", "a", "--dry-run", "--limit", "1")
        assert ran.lines == [
            "two@example.com: would be queued",
            "already queued in this run: 1",
            "would be queued: 1",
        ]

    def test_of_a_store_that_lists_too_much(self, confirmed, change):
        """If the store's list contains an account that is not pending, this is reported."""
        change(ACCOUNTS="tests.account_stores.test_contract.Generous")
        ran = Ran("send", "--pending", "--dry-run")
        assert ran.lines == ["already confirmed: 1"]


class TestSuppressed:
    @pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=repr)
    def test_it_is_counted(self, pending, options):
        """Suppressed addresses get nothing; the output has their number and the first date."""
        waiting("other")
        late = waiting("late")
        for user, day in ((pending, NOON), (late, NOON + timedelta(days=1))):
            digest = address_of(user.email).digest("suppression")
            Suppression.objects.create(digest=digest, why="bounced", since=day)
        ran = Ran("send", "--pending", *options)
        assert "suppressed since 2026-01-01 12:00+00:00: 2" in ran.lines
        assert ran.code == (0 if options else 1)
        assert served() == ([] if options else ["other"])


class TestRate:
    def test_messages_become_due_one_after_the_other(self, clock):
        """Each batch and each call goes on where the one before ended."""
        for number in range(5):
            waiting(f"p{number}")
        for limit in ("3", "2"):
            Ran("send", "--pending", "--rate", "30/m", "--batch-size", "2", "--limit", limit)
        due = Delivery.objects.order_by("pk").values_list("not_before", flat=True)
        assert [(at - clock.now).total_seconds() for at in due] == [0, 2, 4, 6, 8]
        assert engine.drain().sent == 1
        clock.move(seconds=4)
        assert engine.drain().sent == 2

    def test_a_run_that_was_left_begins_now(self, clock):
        """A later call does not catch up with the time in which nothing was queued."""
        for number in range(2):
            waiting(f"p{number}")
        for _ in range(2):
            Ran("send", "--pending", "--run", "a", "--rate", "1/h", "--limit", "1")
            clock.move(hours=9)
        late = Delivery.objects.latest("pk")
        assert late.not_before == late.asked_at


class TestCancel:
    def test_what_is_queued_is_not_sent(self, pending):
        """Its messages are abandoned, and their addresses may ask again at once."""
        waiting("other")
        Ran("send", "--pending", "--run", "a", "--limit", "1")
        engine.drain()
        Ran("send", "--pending", "--run", "a")
        ran = Ran("cancel", "a")
        assert (ran.lines, ran.code) == (["cancelled: 1"], 0)
        states = Delivery.objects.order_by("pk").values_list("state", "reason")
        assert list(states) == [("sent", ""), ("abandoned", "cancelled")]
        assert engine.drain().sent == 0
        assert Ran("send", "other").lines == ["other: queued"]
        assert Cooldown.objects.latest("last_at").hour_count == 1
        ran = Ran("send", "--pending", "--run", "a")
        assert (ran.code, ran.complaint) == (
            1,
            "The run a was cancelled. Give another --run.",
        )
        assert Ran("cancel", "a").lines == ["cancelled: 0"]

    def test_of_several(self, monkeypatch):
        """Other runs and what people asked for stay queued; it takes any number of batches."""
        monkeypatch.setattr(runs, "BATCH", 2)
        for number in range(5):
            waiting(f"p{number}")
        Ran("send", "p0")
        Ran("send", "--pending", "--run", "b", "--limit", "1")
        Ran("send", "--pending", "--run", "a")
        assert Ran("cancel", "a").lines == ["cancelled: 3"]
        assert served(state="queued") == ["p0", "p1"]

    def test_an_uncertain_message(self, pending):
        """A message that may have been sent ends as unknown, and keeps its cooldown."""
        Ran("send", "--pending", "--run", "a")
        Delivery.objects.update(doubts=1, attempts=1)
        assert Ran("cancel", "a").lines == ["cancelled: 1"]
        row = Delivery.objects.get()
        assert (row.state, row.reason) == ("unknown", "cancelled")
        assert Cooldown.objects.get().hour_count == 1

    def test_while_it_is_queued(self, monkeypatch):
        """A call that is under way ends with its counts."""
        for number in range(4):
            waiting(f"p{number}")
        queue = runs.queue

        def cancel_first(run, *given, **more):
            if Delivery.objects.count() == 2:
                runs.cancel(Run.objects.get())
            return queue(run, *given, **more)

        monkeypatch.setattr(runs, "queue", cancel_first)
        ran = Ran("send", "--pending", "--run", "a", "--batch-size", "2")
        assert (ran.lines, ran.code) == (["queued: 2"], 1)
        assert ran.complaint == "The run a was cancelled. Give another --run."

    def test_a_name_that_is_unknown(self):
        """There is nothing to cancel, and the name is safe to print."""
        ran = Ran("cancel", "\x1b[2J")
        assert (ran.code, ran.complaint) == (1, r"No run is named \x1b[2J.")


class TestOutput:
    def test_progress_is_a_line_after_each_batch_that_takes_a_second(self, monkeypatch):
        """Without a terminal it is a line with the count, the total and the number queued."""
        monkeypatch.setattr(bulk, "REPORT_INTERVAL", 0)
        for number in range(3):
            waiting(f"p{number}")
        ran = Ran("send", "--pending", "--batch-size", "2")
        counts = [line.partition("[")[0].split("|")[-1].strip() for line in ran.progress]
        assert counts == ["2/3", "3/3"]
        assert all(line.endswith("queued]") for line in ran.progress)
        assert Ran("send", "--pending", "--verbosity", "0").progress == []

    def test_a_bar_on_a_terminal(self, pending):
        """On a terminal it is one line that changes."""
        out, err = io.StringIO(), Typed()
        call_command("resend_confirmation", "send", "--pending", stdout=out, stderr=err)
        assert "1/1" in err.getvalue()
        assert "\r" in err.getvalue()

    def test_json(self, pending, tmp_path):
        """Each subcommand prints JSON objects with stable keys."""
        waiting("other")
        path = tmp_path / "people"
        path.write_text("other\nnobody\n")
        assert said("send", "pending", "nobody") == [
            {"identity": "pending", "result": "sent", "retry_after": 0},
            {"identity": "nobody", "result": "unknown", "retry_after": 0},
        ]
        assert said("send", "--file", str(path), "--run", "a", "--dry-run") == [
            {"identity": "nobody", "result": "unknown"},
            {
                "run": "a",
                "dry_run": True,
                "queued": 1,
                "results": {"unknown": 1, "sent": 1},
                "first": ["other@example.com"],
            },
        ]
        assert said("send", "--pending", "--run", "a") == [
            {
                "run": "a",
                "dry_run": False,
                "queued": 1,
                "results": {"under_way": 1, "sent": 1},
            }
        ]
        (found,) = said("status")
        started = found["runs"][0].pop("started_at")
        assert datetime.fromisoformat(started).tzinfo == UTC
        assert found["runs"] == [
            {
                "name": "a",
                "queued": 1,
                "waiting": 1,
                "cancelled_at": None,
                "action": "resend",
                "size": 0,
                "position": 0,
                "done": 0,
            }
        ]
        assert Ran("status").lines[-1] == "run a: 1 queued, 1 of them waiting"
        assert said("cancel", "a") == [{"run": "a", "cancelled": 1}]
        assert Ran("status").lines[-1] == "run a: 1 queued, 0 of them waiting, cancelled"
        assert said("drain") == [
            {
                "resolved": 0,
                "sent": 1,
                "unsent": 0,
                "skipped": 0,
                "paused": False,
                "selected": 0,
            }
        ]
        assert said("prune") == [{"deleted": 0}]


def said(*arguments):
    """Return the JSON that a call of the command printed."""
    text, found = "\n".join(Ran(*arguments, "--json").lines), []
    while text:
        each, end = json.JSONDecoder().raw_decode(text)
        found.append(each)
        text = text[end:].strip()
    return found


class Everybody(ConfirmationStore):
    """A store in which all active accounts are pending, with or without a confirmation."""

    def standing(self, user, state):
        return Standing.PENDING

    def _waits(self, **bounds):
        return within("pk", bounds) & Q(is_active=True)


class Listing(Everybody):
    """The same in a list, as a host may write it."""

    def pending(self):
        return list(super().pending())


class TestStores:
    @pytest.mark.parametrize("store", ["Everybody", "Listing"])
    def test_accounts_without_a_confirmation(self, change, store):
        """They get one; one that has ended is opened again."""
        change(ACCOUNTS=f"tests.test_bulk.{store}")
        for number in range(5):
            UserFactory(username=f"new{number}")
        waiting("ended", state="confirmed")
        waiting("moved")
        get_user_model().objects.filter(username="moved").update(email="elsewhere@example.com")
        assert Ran("send", "--pending", "--batch-size", "3").lines == ["queued: 7"]
        engine.drain()
        sent = sorted(message.to[0] for message in mail.outbox)
        assert sent == [
            "elsewhere@example.com",
            "ended@example.com",
            *(f"new{number}@example.com" for number in range(5)),
        ]
        assert Ran("send", "--pending").lines == ["already queued in this run: 7"]


class TestCopies:
    """Deliveries that differ in nothing but the confirmation are copied by the database."""

    def test_they_are_like_others(self, monkeypatch, clock):
        """A row that was copied has the same columns as one that was inserted by itself."""
        for number in range(4):
            waiting(f"p{number}")
        for few in (1, 3):
            monkeypatch.setattr(outbox, "FEW", few)
            assert Ran("send", "--pending", "--run", "a", "--limit", "2").code == 0
        rows: list[Any] = list(Delivery.objects.order_by("pk").values())
        keys = [(row.pop("id"), row.pop("confirmation_id")) for row in rows]
        known = Confirmation.objects.order_by("pk").values_list("pk", flat=True)
        assert [key for _, key in keys] == list(known)
        assert rows == [rows[0]] * 4
        facts = [rows[0][name] for name in ("state", "client", "slot_at", "not_before", "priority")]
        assert facts == ["queued", "game", clock.now, clock.now, 1]

    def test_a_confirmation_that_is_deleted(self, monkeypatch):
        """It gets no message, and the others of its batch get theirs."""
        for number in range(20):
            waiting(f"p{number}")
        take_all = cooldown.take_all

        def delete_one(*given):
            Confirmation.objects.earliest("pk").delete()
            return take_all(*given)

        monkeypatch.setattr(cooldown, "take_all", delete_one)
        Ran("send", "--pending")
        assert served() == [f"p{number}" for number in range(1, 20)]

    @pytest.mark.usefixtures("at_once")
    def test_receivers_are_told_the_keys(self):
        """If the host listens, it hears of each row."""
        for number in range(20):
            waiting(f"p{number}")
        heard: list[Any] = []

        def note(sender, delivery_id, **kwargs):
            heard.append(delivery_id)

        delivery_changed.connect(note)
        try:
            Ran("send", "--pending")
        finally:
            delivery_changed.disconnect(note)
        assert heard == list(Delivery.objects.order_by("pk").values_list("pk", flat=True))
        assert len(heard) == 20


class TestCosts:
    @pytest.mark.parametrize("number", [3, 30])
    def test_statements_of_a_batch(self, number):
        """A batch takes the same number of statements, however many accounts it has."""
        for each in range(number):
            waiting(f"p{each}")
        with CaptureQueriesContext(connection) as first:
            assert Ran("send", "--pending", "--run", "a").lines == [f"queued: {number}"]
        engine.drain()
        end_cooldowns()
        with CaptureQueriesContext(connection) as second:
            assert Ran("send", "--pending", "--run", "b").lines == [f"queued: {number}"]
        assert len(first) <= 20
        assert len(second) <= 19

    def test_accounts_are_read_in_batches(self, monkeypatch):
        """No statement reads more accounts than a batch has, or confirmations of earlier ones."""
        monkeypatch.setattr(accounts.users, "_USERS_AT_ONCE", 2)
        for number in range(5):
            waiting(f"player{number}")
        with CaptureQueriesContext(connection) as queries:
            assert Ran("send", "--pending", "--batch-size", "2").lines == ["queued: 5"]
        users = get_user_model()._meta.db_table
        reads = [q["sql"] for q in queries if q["sql"].startswith("SELECT") and users in q["sql"]]
        assert all("LIMIT 2" in sql or " <= " in sql for sql in reads)
        assert sum("LIMIT 2" in sql for sql in reads) == 4
        assert all(re.search(r"account_id\W+>", sql) for sql in reads[1:])
