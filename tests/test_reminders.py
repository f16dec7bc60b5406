"""``manage.py resend_confirmation remind``: whom it reminds, and how often."""

from datetime import timedelta

import pytest

from resend_confirmation import accounts, engine
from resend_confirmation.deliveries import outbox
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Run, Suppression

from .factories import address_of
from .test_admin import FIRST
from .test_bulk import end_cooldowns, said, served
from .test_command import Ran, waiting

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def long_ago(clock):
    """An account that waits for four days, and got no message."""
    return waiting("ann", requested_at=clock.now - timedelta(days=4))


class TestWhom:
    @pytest.mark.parametrize(
        ("values", "is_reminded"),
        [
            ({}, True),
            ({"requested_at": 2}, False),
            ({"last_sent_at": 4}, True),
            ({"last_sent_at": 2}, False),
            ({"last_delivery_state": "bounced"}, False),
            ({"last_delivery_state": "complained"}, False),
            ({"last_delivery_state": "failed"}, True),
            ({"state": "confirmed"}, False),
            ({"state": "withdrawn"}, False),
            ({"reminders": 1}, True),
            ({"reminders": 2}, False),
        ],
        ids=repr,
    )
    def test_by_the_confirmation(self, long_ago, clock, values, is_reminded):
        """Pending accounts are reminded whose request and last message are old enough."""
        changed = {
            name: clock.now - timedelta(days=value) if name.endswith("_at") else value
            for name, value in values.items()
        }
        Confirmation.objects.update(**changed)
        ran = Ran("remind", "--after", "3d", "--at-most", "2")
        assert ran.lines == (["queued: 1"] if is_reminded else ["no pending accounts"])
        assert (ran.code, Delivery.objects.count()) == (0, is_reminded)

    @pytest.mark.parametrize("state", ["queued", "unknown"])
    def test_a_recent_request(self, long_ago, clock, state):
        """An account that requested a message itself is not reminded, even if none was sent."""
        account = accounts.of(long_ago.pk, long_ago.email)
        assert account
        engine.send_to(account)
        Delivery.objects.update(state=state)
        assert Ran("remind").lines == ["no pending accounts"]
        clock.move(days=4)
        lines = {"queued": ["already under way: 1"], "unknown": ["queued: 1"]}
        assert Ran("remind").lines == lines[state]

    def test_suppressed(self, long_ago):
        """A suppressed address gets none, which is not an error."""
        Suppression.objects.create(
            digest=address_of(long_ago.email).digest("suppression"),
            why="bounced",
            since="2026-01-01T12:00Z",
        )
        ran = Ran("remind")
        assert (ran.lines, ran.code) == (["suppressed since 2026-01-01 12:00+00:00: 1"], 0)
        assert not Delivery.objects.exists()

    def test_filters(self, long_ago, clock):
        """The filters of bulk runs apply as well."""
        ben = waiting("ben", requested_at=clock.now - timedelta(days=40), client="arcade")
        carl = waiting("carl", requested_at=clock.now - timedelta(days=9))
        Delivery.objects.create(
            confirmation=carl.resend_confirmations.get(),
            dialect=FIRST,
            state="failed",
            asked_at=clock.now - timedelta(days=9),
            not_before=clock.now,
        )
        for arguments, name in (
            (["--newer-than", "5d"], long_ago.username),
            (["--client", "arcade"], ben.username),
            (["--dialect", FIRST], carl.username),
        ):
            Delivery.objects.filter(state="queued").delete()
            assert Ran("remind", *arguments).lines[-1] == "queued: 1"
            assert served(state="queued") == [name]


class TestHowOften:
    def test_daily_calls(self, long_ago, clock):
        """Calls from cron remind twice, three days apart, even if the record is deleted."""
        reminded = []
        for day in range(12):
            for _ in range(2):
                ran = Ran("remind")
                assert ran.code == 0
                if "queued: 1" in ran.lines:
                    reminded.append(day)
            engine.drain()
            end_cooldowns()
            Delivery.objects.all().delete()
            clock.move(days=1)
        assert reminded == [0, 4]
        assert Confirmation.objects.get().reminders == 2

    def test_a_fresh_start(self, long_ago):
        """A confirmation that begins again is reminded again."""
        Confirmation.objects.update(state="withdrawn", reminders=2)
        engine.start(long_ago, send=False)
        assert Confirmation.objects.get().reminders == 0

    def test_a_new_address(self, long_ago):
        """The confirmation of a changed address goes on with the count of the former one."""
        Confirmation.objects.update(reminders=1)
        long_ago.email = "new@example.com"
        long_ago.save()
        assert Ran("remind").lines == ["queued: 1"]
        new = Confirmation.objects.get(address="new@example.com")
        assert (new.reminders, Delivery.objects.get().confirmation) == (2, new)

    def test_another_process_is_faster(self, long_ago, monkeypatch):
        """A reminder that another process counted first is chosen again, and not queued twice."""
        queue_all, calls = outbox.queue_all, []

        def overtake(rows):
            queue_all(rows)
            calls.append(len(rows))
            if len(calls) == 1:
                Confirmation.objects.update(reminders=1)

        monkeypatch.setattr(outbox, "queue_all", overtake)
        assert Ran("remind").lines == ["queued: 1"]
        assert calls == [1, 1]
        assert (Delivery.objects.count(), Confirmation.objects.get().reminders) == (1, 1)


class TestCalls:
    def test_dry_run(self, long_ago):
        """A dry run shows the accounts, and counts nothing."""
        ran = Ran("remind", "--dry-run")
        assert ran.lines == ["ann@example.com: would be queued", "would be queued: 1"]
        assert (Run.objects.count(), Cooldown.objects.count()) == (0, 0)
        assert Confirmation.objects.get().reminders == 0

    def test_json(self, long_ago):
        """The object is that of a bulk run, with the name of the day's run."""
        assert said("remind", "--limit", "1", "--rate", "1/h") == [
            {
                "run": "reminders-2030-01-01",
                "dry_run": False,
                "queued": 1,
                "results": {"sent": 1},
            }
        ]

    def test_cancelled(self, long_ago):
        """After the day's run is cancelled, its reminders are not sent, and no more are queued."""
        Ran("remind")
        assert Ran("cancel", "reminders-2030-01-01").lines == ["cancelled: 1"]
        ran = Ran("remind")
        assert (ran.code, ran.complaint) == (
            1,
            "The run reminders-2030-01-01 was cancelled.",
        )

    def test_unknown_names(self, db):
        """Clients and dialects have to exist."""
        assert Ran("remind", "--client", "gmae").code == 2
        assert Ran("remind", "--dialect", "strappy").code == 2

    def test_a_store_that_lists_too_much(self, confirmed, change):
        """If the store lists an account that is not pending, the exit code is 1."""
        change(ACCOUNTS="tests.account_stores.test_contract.Generous")
        ran = Ran("remind")
        assert (ran.code, ran.complaint) == (1, "1 of 1 were not queued.")
