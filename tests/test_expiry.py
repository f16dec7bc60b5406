"""``manage.py resend_confirmation expire``: which confirmations it ends, and what it spares."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from resend_confirmation import accounts, engine, start
from resend_confirmation.accounts import ConfirmationStore
from resend_confirmation.engine import expiry
from resend_confirmation.models import Confirmation, Delivery
from resend_confirmation.outcomes import Expiry, Standing
from resend_confirmation.signals import confirmation_expired

from .account_stores.test_races import is_waited_for
from .test_bulk import said
from .test_command import Ran, waiting

pytestmark = [pytest.mark.database, pytest.mark.django_db]

NOTHING = ["no confirmations to expire"]


def by_name(account):
    """Return what the first letter of the user name stands for; a callable for EXPIRE."""
    return {"a": Expiry.DEACTIVATE, "b": "delete", "c": "keep"}[account.username[0]]


def users():
    """Return the names of the users that are left."""
    return list(get_user_model().objects.order_by("username").values_list("username", flat=True))


def states():
    """Return the states of the confirmations, in order."""
    return list(Confirmation.objects.order_by("pk").values_list("state", flat=True))


def long_waiting(name, **values):
    """Create an account that waits for 40 days."""
    return waiting(name, requested_at=timezone.now() - timedelta(days=40), **values)


@pytest.fixture
def ann():
    """An account that waits for 40 days."""
    return long_waiting("ann")


@pytest.fixture
def told():
    """The user names and the actions of the signals."""
    heard: list[Any] = []

    def listen(sender, confirmation, user, action, **_):
        assert (sender, confirmation.state) == (Confirmation, "withdrawn")
        assert get_user_model().objects.filter(pk=user.pk, is_active=True).exists()
        heard.append((user.username, action))

    confirmation_expired.connect(listen)
    yield heard
    confirmation_expired.disconnect(listen)


class Several(ConfirmationStore):
    """A store in which ben also has an address that is confirmed."""

    def find(self, identity):
        found = super().find(identity)
        if identity != "ben":
            return found
        user = found[0].user
        return [*found, accounts.Account(user, "b@example.com", "ben", Standing.CONFIRMED)]


class TestActions:
    def test_by_default_the_account_is_kept(self, ann, told):
        """Its confirmation is withdrawn, so that its links are dead, and start begins it again."""
        ran = Ran("expire", "--apply")
        assert (ran.lines, ran.code) == (["kept, without its confirmation: 1"], 0)
        assert (users(), states()) == (["ann"], ["withdrawn"])
        assert told == [("ann", Expiry.KEEP)]
        assert Ran("expire", "--apply").lines == NOTHING
        start(ann)
        assert states() == ["pending"]

    def test_the_host_decides(self, change, told):
        """The callable returns an Expiry, or its value, for each account."""
        change(EXPIRE="tests.test_expiry.by_name")
        for name in ("ann", "ben", "carl"):
            long_waiting(name)
        ran = Ran("expire", "--apply", "--batch-size", "1")
        assert ran.lines == ["deactivated: 1", "deleted: 1", "kept, without its confirmation: 1"]
        assert ran.progress == ["1 so far", "2 so far", "3 so far"]
        active = get_user_model().objects.order_by("username").values_list("username", "is_active")
        assert list(active) == [("ann", False), ("carl", True)]
        assert states() == ["withdrawn", "withdrawn"]
        assert told == [("ann", Expiry.DEACTIVATE), ("ben", Expiry.DELETE), ("carl", Expiry.KEEP)]

    def test_failures_are_skipped(self, change, caplog, monkeypatch):
        """An account for which the callable fails stays as it is, and the log has no data of it."""
        change(EXPIRE="tests.test_expiry.by_name")
        for name in ("xaver", "carl"):
            long_waiting(name)
        for arguments in ([], ["--apply"]):
            caplog.clear()
            ran = Ran("expire", *arguments)
            assert "failed, see the log: 1" in ran.lines
            assert (ran.code, ran.complaint) == (1, "1 of 2 did not expire.")
            (record,) = caplog.records
            assert "KeyError" in record.getMessage()
            assert "xaver" not in f"{record.getMessage()} {record.stack_info}"
        assert states() == ["pending", "withdrawn"]

    def test_protected_accounts(self, change, monkeypatch):
        """An account that other rows protect is left alone, and the next one is deleted."""
        change(EXPIRE="tests.test_expiry.by_name")
        for name in ("bea", "ben"):
            long_waiting(name)
        delete = get_user_model().delete

        def protect(user):
            if user.username == "bea":
                raise ProtectedError("bea@example.com", set())
            delete(user)

        monkeypatch.setattr(get_user_model(), "delete", protect)
        ran = Ran("expire", "--apply")
        assert ran.lines == ["not deleted, since other rows refer to it: 1", "deleted: 1"]
        assert (ran.code, ran.complaint) == (1, "1 of 2 did not expire.")
        assert (users(), states()) == (["bea"], ["pending"])

    def test_an_exception_of_a_receiver(self, ann):
        """It rolls the change back."""

        def refuse(**_):
            raise ValueError

        confirmation_expired.connect(refuse)
        try:
            assert Ran("expire", "--apply").code == 1
        finally:
            confirmation_expired.disconnect(refuse)
        assert states() == ["pending"]


class TestSpared:
    @pytest.mark.parametrize(
        ("of_user", "of_confirmation"),
        [
            ({"last_login": "2026-01-01T12:00Z"}, {}),
            ({"is_staff": True}, {}),
            ({"is_superuser": True}, {}),
            ({"is_active": False}, {}),
            ({"email": "no address"}, {"address": "other@example.com"}),
            ({}, {"requested_at": "2999-01-01T12:00Z"}),
            ({}, {"expires_at": "2999-01-01T12:00Z"}),
            ({}, {"state": "confirmed"}),
        ],
        ids=repr,
    )
    def test_accounts_in_use(self, ann, of_user, of_confirmation):
        """Accounts that a person uses, that staff blocked or that have a valid link are spared."""
        get_user_model().objects.update(**of_user)
        Confirmation.objects.update(**of_confirmation)
        before = states()
        for arguments in ([], ["--apply"]):
            ran = Ran("expire", *arguments)
            assert (ran.lines, ran.code) == (NOTHING, 0)
        assert states() == before

    def test_a_message_under_way(self, ann):
        """An account that waits for a message keeps its confirmation."""
        account = accounts.of(ann.pk, ann.email)
        assert account
        engine.send_to(account)
        assert Ran("expire", "--apply").lines == NOTHING
        Delivery.objects.update(state="failed")
        assert Ran("expire", "--apply").lines == ["kept, without its confirmation: 1"]

    @pytest.mark.parametrize(
        ("state", "days", "count"),
        [("confirmed", 50, 0), ("pending", 1, 0), ("pending", 50, 1), ("withdrawn", 1, 1)],
    )
    def test_accounts_with_several_confirmations(self, ann, state, days, count):
        """None of them may be confirmed, and all that are pending have to be old."""
        requested_at = timezone.now() - timedelta(days=days)
        Confirmation.objects.create(
            account=ann,
            address="old@example.com",
            fingerprint="f",
            selector="s",
            state=state,
            requested_at=requested_at,
        )
        for arguments in ([], ["--apply"]):
            assert said("expire", *arguments)[0]["expired"] == count
        ended = "withdrawn" if state == "pending" and count else state
        assert states() == ["withdrawn" if count else "pending", ended]

    def test_a_changed_address(self, ann, told):
        """An account that is pending because of a former address expires as well."""
        ann.email = "new@example.com"
        ann.save()
        assert Ran("expire").lines[0] == "a*n@example.com: would be kept, without its confirmation"
        Ran("expire", "--apply")
        assert told == [("ann", Expiry.KEEP)]

    def test_another_address_that_is_confirmed(self, ann, change):
        """A store may know another address of the account, which the person uses."""
        change(ACCOUNTS="tests.test_expiry.Several")
        long_waiting("ben")
        assert said("expire")[0]["expired"] == 1
        Ran("expire", "--apply")
        assert states() == ["withdrawn", "pending"]

    @pytest.mark.parametrize("state", ["confirmed", None])
    def test_who_confirms_in_between(self, ann, monkeypatch, state):
        """Everything is read again under the lock."""
        attempt = expiry._attempt

        def late(row, before):
            if state:
                Confirmation.objects.update(state=state)
            else:
                get_user_model().objects.update(is_active=False)
            return attempt(row, before)

        monkeypatch.setattr(expiry, "_attempt", late)
        assert Ran("expire", "--apply").lines == NOTHING
        assert states() == [state or "pending"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="has one writer at a time, and no locks")
def test_a_concurrent_confirmation(change):
    """It waits for a person who confirms in another transaction, and deletes nothing."""
    change(EXPIRE="tests.test_expiry.by_name")
    ben = long_waiting("ben")

    def run():
        try:
            return Ran("expire", "--apply").lines
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert engine.confirm_by_hand(ben.resend_confirmations.get())
            running = pool.submit(run)
            until = time.monotonic() + 15
            while not is_waited_for() and not running.done():
                assert time.monotonic() < until
                # MariaDB refreshes this table only if it was not read for 0.1 s.
                time.sleep(0.15)
            assert not running.done()
        assert running.result(30) == NOTHING
    assert (users(), states()) == (["ben"], ["confirmed"])


class TestCalls:
    def test_dry_run(self, change):
        """Without --apply it prints the number, and ten masked addresses; nothing is changed."""
        change(EXPIRE="tests.test_expiry.by_name")
        for number in range(12):
            long_waiting(f"ann{number:02}")
        ran = Ran("expire", "--batch-size", "5")
        shown = [f"a***{number}@example.com: would be deactivated" for number in range(10)]
        assert ran.lines == [
            *shown,
            "would be deactivated: 12",
            "Nothing was changed. Add --apply to do it.",
        ]
        assert states() == ["pending"] * 12

    def test_the_statements_of_a_dry_run(self):
        """Their number does not depend on that of the accounts."""
        counts = []
        for number in range(2):
            for name in range(3):
                long_waiting(f"p{number}{name}")
            with CaptureQueriesContext(
                connection,
            ) as queries:
                Ran("expire")
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_limit(self):
        """With a limit, the next call goes on with the next oldest."""
        for number in range(3):
            long_waiting(f"p{number}")
        for left in (1, 0):
            Ran("expire", "--apply", "--limit", "2")
            assert states().count("pending") == left
        assert said("expire", "--limit", "1") == [
            {"dry_run": True, "expired": 0, "results": {}, "first": []}
        ]

    def test_json(self, ann):
        """The object has the number, and that of each result."""
        assert said("expire") == [
            {"dry_run": True, "expired": 1, "results": {"keep": 1}, "first": ["a*n@example.com"]}
        ]
        assert said("expire", "--apply", "--verbosity", "0") == [
            {"dry_run": False, "expired": 1, "results": {"keep": 1}}
        ]

    def test_interrupted(self, monkeypatch):
        """A signal ends it after the current account."""
        for number in range(2):
            long_waiting(f"p{number}")

        def interrupt(**_):
            signal.raise_signal(signal.SIGINT)

        confirmation_expired.connect(interrupt)
        try:
            ran = Ran("expire", "--apply")
        finally:
            confirmation_expired.disconnect(interrupt)
        assert (ran.code, ran.complaint) == (130, "Stopped by SIGINT.")
        assert ran.lines == ["kept, without its confirmation: 1"]
        assert states() == ["withdrawn", "pending"]

    def test_a_damaged_address(self, ann):
        """A confirmation whose address a direct write damaged is left alone."""
        Confirmation.objects.update(address="damaged")
        get_user_model().objects.update(email="")
        assert Ran("expire").lines == NOTHING
