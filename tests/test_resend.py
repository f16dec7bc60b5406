"""Resending: the engine's results, rows and signals for requests, sign-ups and staff."""

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core import mail
from django.core.cache import cache
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from resend_confirmation import clients, database, engine, start, withdraw
from resend_confirmation.accounts import Account, ConfirmationStore
from resend_confirmation.clients import Client, Redirect
from resend_confirmation.deliveries import unresolved
from resend_confirmation.engine import ResendRequest, Result, backlog
from resend_confirmation.engine.requests import find_accounts, pending_accounts
from resend_confirmation.limits import cooldown
from resend_confirmation.models import Confirmation, Cooldown, Delivery
from resend_confirmation.outcomes import (
    CONCEALED,
    ConfirmationState,
    DeliveryState,
    Origin,
    Outcome,
    Reason,
    Refusal,
    Standing,
)

from .factories import PendingFactory, UserFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db]

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class CountingCarrier:
    """Counts its wakes."""

    wakes: ClassVar[list[int]] = []

    def wake(self):
        self.wakes.append(1)


class BrokenCarrier:
    """Fails, as if its broker were down."""

    def wake(self):
        raise OSError


@pytest.fixture
def wakes(change):
    """A list with one item for each wake of the carrier."""
    CountingCarrier.wakes.clear()
    change(CARRIER="tests.test_resend.CountingCarrier")
    return CountingCarrier.wakes


def ask(identity, **given):
    client = given.pop("client", clients.default())
    return engine.resend(ResendRequest(identity=identity, client=client, **given))


def ask_quietly(identity, **given):
    return ask(identity, quiet=CONCEALED, **given)


def ask_half_quietly(identity):
    """Ask through a dialect that conceals UNKNOWN but reveals the cooldown."""
    return ask(identity, quiet=frozenset({Outcome.UNKNOWN}))


def rows():
    """Return all rows that a request could change."""
    return [
        list(model.objects.order_by("pk").values()) for model in (Confirmation, Cooldown, Delivery)
    ]


# Candid


def test_sent(pending, clock):
    """For a pending account a message is queued, and the result has the account's address."""
    result = ask("PENDING@example.com", dialect="acme", client_state="s", payload="p")
    assert result == Result(Outcome.SENT, "PENDING@example.com", "pending@example.com")
    delivery = Delivery.objects.get()
    assert delivery.confirmation == Confirmation.objects.get()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.NONE)
    assert (delivery.dialect, delivery.client, delivery.redirect) == ("acme", "game", "")
    assert (delivery.client_state, delivery.payload, delivery.identity) == ("s", "p", "")
    assert delivery.asked_at == delivery.not_before == NOON


@pytest.mark.parametrize(
    ("identity", "outcome"),
    [
        ("nobody", Outcome.UNKNOWN),
        ("nobody@example.com", Outcome.UNKNOWN),
        ("pending@example.com\v", Outcome.UNKNOWN),
        ("confirmed", Outcome.CONFIRMED),
        ("blocked@example.com", Outcome.BLOCKED),
        ("withdrawn", Outcome.BLOCKED),
    ],
)
def test_refused(pending, confirmed, blocked, identity, outcome):
    """Other accounts have their own outcomes, and nothing is stored."""
    withdraw(Confirmation.objects.get(account=PendingFactory.create(username="withdrawn")))
    before = rows()
    assert ask(identity) == Result(outcome)
    assert rows() == before


def test_several_accounts(clock):
    """Accounts that share an address get a message each, in one slot of the cooldown."""
    users = [PendingFactory.create(email="shared@example.com") for _ in range(3)]
    UserFactory.create(email="shared@example.com")
    assert ask("shared@example.com").ending is Outcome.SENT
    deliveries = Delivery.objects.order_by("pk")
    assert [delivery.confirmation.account for delivery in deliveries if delivery.confirmation] == (
        users
    )
    assert Cooldown.objects.get().hour_count == 1
    assert ask("shared@example.com").ending is Outcome.COOLING_DOWN


def test_several_accounts_again(clock):
    """An account gets another message if its last one was sent, but not while it waits."""
    users = [PendingFactory.create(email="shared@example.com") for _ in range(3)]
    ask("shared@example.com")
    Delivery.objects.filter(confirmation__account=users[0]).update(state=DeliveryState.SENT)
    clock.move(seconds=60)
    assert ask("shared@example.com").ending is Outcome.SENT
    owners = Delivery.objects.order_by("pk").values_list("confirmation__account", flat=True)
    one, two, three = (user.pk for user in users)
    assert list(owners) == [one, two, three, one, three]


def test_order_of_accounts():
    """Accounts with the newest confirmation come first, then the newest ones without any."""
    users = [UserFactory.create() for _ in range(6)]
    standings = [Standing.PENDING] * 5 + [Standing.CONFIRMED]
    accounts = [
        Account(user, "shared@example.com", user.username, standing, confirmation_id=pk)
        for user, standing, pk in zip(users, standings, [None, 8, None, 9, 7, 5], strict=True)
    ]
    accounts.append(Account(users[0], "no address", "name", Standing.PENDING, confirmation_id=10))
    found = [users.index(account.user) for account in pending_accounts(accounts)]
    assert found == [3, 1, 4, 2, 0]


def test_one_pending_among_others():
    """Of the accounts with an address the pending one gets the message."""
    UserFactory.create(email="shared@example.com")
    UserFactory.create(email="shared@example.com", is_active=False)
    waiting = PendingFactory.create(email="shared@example.com")
    assert ask("shared@example.com").ending is Outcome.SENT
    confirmation = Delivery.objects.get().confirmation
    assert confirmation is not None
    assert confirmation.account == waiting


# Client and redirect


def test_unknown_client(pending):
    """Without a client the request is refused and nothing is stored."""
    before = rows()
    assert ask("pending", client=None) == Result(Refusal.UNKNOWN_CLIENT)
    assert ask_quietly("pending", client=None) == Result(Refusal.UNKNOWN_CLIENT)
    assert rows() == before


def test_not_enabled(pending):
    """A request for a client that does not require confirmation is NOT_ENABLED."""
    before = rows()
    assert ask("pending", client=clients.by_name("kiosk")) == Result(Refusal.NOT_ENABLED)
    assert rows() == before


def test_not_enabled_and_quiet(pending):
    """If NOT_ENABLED is concealed, the result is SENT, and no message is sent."""
    kiosk = clients.by_name("kiosk")
    assert ask_quietly("pending", client=kiosk).ending is Outcome.SENT
    engine.drain()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason) == (DeliveryState.IGNORED, Reason.NOT_ENABLED)
    assert not Cooldown.objects.exists()


def test_only_not_enabled_quiet(pending):
    """If only NOT_ENABLED is concealed, no message is sent either."""
    quiet = frozenset({Refusal.NOT_ENABLED})
    result = ask("pending", client=clients.by_name("kiosk"), quiet=quiet)
    assert result.ending is Outcome.SENT
    engine.resolve()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason) == (DeliveryState.IGNORED, Reason.NOT_ENABLED)


REDIRECTS = Client(name="game", redirects=[Redirect("0", "https://a"), Redirect("1", "app://b")])


@pytest.mark.parametrize(
    ("typed", "ending", "id_"),
    [
        ("app://b", Outcome.SENT, "1"),
        (None, Outcome.SENT, ""),
        ("", Refusal.REDIRECT_REQUIRED, None),
        ("app://b/", Refusal.REDIRECT_NOT_ALLOWED, None),
    ],
)
@pytest.mark.parametrize("quiet", [frozenset(), CONCEALED])
def test_redirect(pending, typed, ending, id_, quiet):
    """A delivery stores the id of a registered redirect; another redirect is refused."""
    assert ask("pending", client=REDIRECTS, redirect=typed, quiet=quiet).ending is ending
    expected = [] if id_ is None else [id_]
    assert list(Delivery.objects.values_list("redirect", flat=True)) == expected


# Quiet


@pytest.mark.parametrize("identity", ["pending", "confirmed", "blocked", "nobody", "pending@x"])
def test_quiet(pending, confirmed, blocked, identity, django_assert_num_queries):
    """A quiet request is one INSERT for every identity, and the result has the given address."""
    with django_assert_num_queries(1) as queries:
        result = ask_quietly(identity, dialect="acme")
    assert queries[0]["sql"].startswith("INSERT INTO")
    assert result == Result(Outcome.SENT, identity, identity)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.identity) == (DeliveryState.ASKED, identity)
    assert delivery.confirmation is None
    assert not Cooldown.objects.exists()


@pytest.mark.parametrize(
    ("identity", "state", "reason"),
    [
        ("pending", DeliveryState.QUEUED, Reason.NONE),
        ("confirmed@example.com", DeliveryState.IGNORED, Reason.CONFIRMED),
        ("blocked", DeliveryState.IGNORED, Reason.BLOCKED),
        ("nobody", DeliveryState.IGNORED, Reason.UNKNOWN),
    ],
)
def test_resolved(pending, confirmed, blocked, identity, state, reason):
    """The courier looks up the account and erases the identity."""
    ask_quietly(identity)
    assert engine.resolve() == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason, delivery.identity) == (state, reason, "")
    assert (delivery.confirmation is not None) is (state == DeliveryState.QUEUED)
    assert (delivery.ended_at is not None) is (state == DeliveryState.IGNORED)
    assert engine.resolve() == 0


def test_resolved_for_several_accounts():
    """For a shared address the newest account's message is queued, and the others wait."""
    users = [PendingFactory.create(email="shared@example.com") for _ in range(3)]
    ask_quietly("shared@example.com", dialect="acme", client_state="s")
    engine.resolve()
    found = Delivery.objects.order_by("pk")
    assert [each.confirmation.account for each in found if each.confirmation] == [
        users[2],
        users[0],
        users[1],
    ]
    assert [(each.state, each.reason) for each in found] == [
        (DeliveryState.QUEUED, Reason.NONE),
        (DeliveryState.QUEUED, Reason.TURN),
        (DeliveryState.QUEUED, Reason.TURN),
    ]
    waits = [(each.not_before - found[0].asked_at).total_seconds() for each in found[1:]]
    assert waits == pytest.approx([120, 60], abs=30)
    assert {(each.dialect, each.client_state) for each in found} == {("acme", "s")}
    assert Cooldown.objects.get().hour_count == 1


def test_resolved_while_cooling_down(pending, clock):
    """A quiet request within the cooldown is ignored, and does not extend it."""
    ask_quietly("pending")
    engine.resolve()
    before = list(Cooldown.objects.values())
    clock.move(seconds=30)
    ask_quietly("pending@example.com")
    engine.resolve()
    reasons = Delivery.objects.order_by("pk").values_list("state", "reason")
    assert list(reasons) == [
        (DeliveryState.QUEUED, Reason.NONE),
        (DeliveryState.IGNORED, Reason.COOLING_DOWN),
    ]
    assert Delivery.objects.filter(confirmation__account=pending).count() == 2
    assert list(Cooldown.objects.values()) == before


@pytest.mark.parametrize("identity", ["pending", "nobody"])
def test_resolved_by_another_courier(pending, change, identity):
    """A courier that comes too late to resolve a request takes no slot for it."""
    change(COOLDOWN=["5/h"])
    ask_quietly(identity)
    due = unresolved.due(100)
    engine.resolve()
    before = rows()
    with mock.patch.object(unresolved, "due", return_value=due):
        assert engine.resolve() == 1
    assert rows() == before


def test_slot_of_an_account_that_is_not_pending(confirmed):
    """A quiet request by user name takes the slot of the account's address, pending or not."""
    ask_quietly("confirmed")
    engine.resolve()
    assert Cooldown.objects.get().digest == cooldown.digest("confirmed@example.com")


class Forgetful(ConfirmationStore):
    """A host's store that looks for no confirmation."""

    def find(self, identity):
        return [
            Account(account.user, account.address, account.username, Standing.PENDING)
            for account in super().find(identity)
        ]


@pytest.mark.parametrize("how", [ask, ask_quietly])
def test_first_confirmation_of_an_account(change, how):
    """A confirmation that a request creates has the request's client and language."""
    change(ACCOUNTS="tests.test_resend.Forgetful")
    UserFactory.create(username="new")
    how("new", client=clients.by_name("arcade"), language="de")
    engine.resolve()
    assert Confirmation.objects.values_list("client", "language").get() == ("arcade", "de")


def test_slot_of_a_resolved_request(pending, clock):
    """The slot of a quiet request is taken at the time of the request, not of its resolution."""
    ask_quietly("pending")
    clock.move(seconds=50)
    engine.resolve()
    assert Delivery.objects.get().slot_at == NOON
    assert Cooldown.objects.get().last_at == NOON
    clock.move(seconds=10)
    assert ask("pending").ending is Outcome.SENT


def test_resolving_a_client_that_is_gone(pending, change, caplog):
    """Requests of a client that was removed end with a reason and one line in the log."""
    for name in ("pending", "nobody", "pending"):
        ask_quietly(name, client=Client(name="old"))
    ask_quietly("pending")
    change(CLIENTS=[{"name": "game"}])
    engine.resolve()
    reasons = Delivery.objects.order_by("pk").values_list("reason", flat=True)
    assert list(reasons) == [Reason.CLIENT_GONE] * 3 + [Reason.NONE]
    assert caplog.messages == [
        "Ended 3 requests without a message: the client 'old' is no longer in CLIENTS"
    ]


BROUGHT = {
    "client_state": "s",
    "payload": "p" * 2000,
    "language": "de",
    "accept_language": "fr",
}


def brought():
    rows = Delivery.objects.order_by("pk").values_list("identity", *BROUGHT)
    return ["".join(row) for row in rows]


def test_inputs_of_an_ignored_request_are_erased(pending, confirmed):
    """The inputs of a request are erased when it is resolved without a message."""
    for name in ("nobody", "confirmed", "pending", "pending"):
        ask_quietly(name, **BROUGHT)
    engine.resolve()
    kept = "s" + "p" * 2000 + "de" + "fr"
    assert brought() == ["", "", kept, ""]
    quiet = frozenset({Outcome.UNKNOWN})
    assert ask("stranger", quiet=quiet, **BROUGHT).ending is Outcome.SENT
    engine.resolve()
    assert brought() == ["", "", kept, "", ""]


def test_the_most_overdue_request_first(clock):
    """A request that was put off is resolved after those that are due before it."""
    for identity in ("postponed", "in time"):
        ask_quietly(identity)
    Delivery.objects.filter(identity="in time").update(not_before=clock.now - timedelta(hours=1))
    assert engine.resolve(1) == 1
    assert Delivery.objects.get(state=DeliveryState.ASKED).identity == "postponed"


def test_resolving_crashes(pending, clock, monkeypatch, caplog):
    """A request that cannot be resolved is retried like a message, and does not stop others."""
    ask_quietly("poison")
    ask_quietly("pending")

    def fail(identity):
        if identity == "poison":
            raise RuntimeError
        return find_accounts(identity)

    monkeypatch.setattr("resend_confirmation.engine.resolution.find_accounts", fail)
    assert engine.resolve() == 2
    for wait in (timedelta(seconds=30), *(timedelta(minutes=m) for m in (2, 10, 30, 120))):
        clock.move(seconds=wait.total_seconds() - 1)
        assert engine.resolve() == 0
        # The jitter adds up to a fifth.
        clock.move(seconds=wait.total_seconds() / 5 + 1)
        assert engine.resolve() == 1
    poison, good = Delivery.objects.order_by("pk")
    assert (good.state, poison.state) == (DeliveryState.QUEUED, DeliveryState.FAILED)
    assert (poison.reason, poison.identity) == (Reason.CRASHED, "")
    assert "poison" not in " ".join(record.getMessage() for record in caplog.records)


def test_jitter_of_a_request_that_crashes(clock, monkeypatch):
    """The wait before another attempt to resolve a request is lengthened by up to a fifth."""
    monkeypatch.setattr(
        "resend_confirmation.engine.resolution.find_accounts", lambda identity: 1 / 0
    )
    monkeypatch.setattr(random, "uniform", lambda shortest, longest: longest)
    ask_quietly("pending")
    engine.resolve()
    assert Delivery.objects.get().not_before == NOON + timedelta(seconds=36)


def test_resolving_crashes_for_the_life_of_a_link(clock, change, monkeypatch):
    """A request whose last attempt would come too late fails as such, one attempt before it."""
    change(LINK_LIFETIME=3600)
    monkeypatch.setattr(
        "resend_confirmation.engine.resolution.find_accounts", lambda identity: 1 / 0
    )
    ask_quietly("pending")
    # The waits are 30 s, 2, 10 and 30 minutes, and up to a fifth more.
    for minutes in (0, 1, 3, 12, 36):
        assert Delivery.objects.get().state == DeliveryState.ASKED
        clock.move(minutes=minutes)
        engine.resolve()
    failed = Delivery.objects.get()
    assert (failed.state, failed.reason) == (DeliveryState.FAILED, Reason.TOO_LATE)


def test_some_endings_quiet(pending):
    """If only UNKNOWN is concealed, a request is stored as if it were SENT, with a cooldown."""
    quiet = frozenset({Outcome.UNKNOWN})
    assert ask("nobody@example.com", quiet=quiet) == Result(
        Outcome.SENT, "nobody@example.com", "nobody@example.com"
    )
    assert Delivery.objects.get().state == DeliveryState.ASKED
    engine.resolve()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason) == (DeliveryState.IGNORED, Reason.UNKNOWN)
    assert ask("Nobody@example.com", quiet=quiet).ending is Outcome.COOLING_DOWN


# Cooldown


def test_gap(pending, clock):
    """Messages are at least 60 s apart; a request in between gets the remaining seconds."""
    assert ask("pending").ending is Outcome.SENT
    for moved, left in ((0, 60), (20, 40), (39.5, 1)):
        clock.move(seconds=moved)
        before = rows()
        assert ask("pending") == Result(Outcome.COOLING_DOWN, retry_after=left)
        assert rows() == before
    clock.move(seconds=0.5)
    assert ask("pending").ending is Outcome.SENT


def test_refused_calls_cost_nothing(pending, clock):
    """Refused requests do not extend the cooldown."""
    ask("pending")
    for _ in range(59):
        clock.move(seconds=1)
        assert ask("pending").ending is Outcome.COOLING_DOWN
    clock.move(seconds=1)
    assert ask("pending").ending is Outcome.SENT
    assert Delivery.objects.count() == 2


def test_per_hour(pending, clock):
    """At most 5 messages are sent in an hour, counted from the first."""
    for _ in range(5):
        assert ask("pending").ending is Outcome.SENT
        clock.move(minutes=2)
    assert ask("pending") == Result(Outcome.COOLING_DOWN, retry_after=50 * 60)
    clock.move(minutes=49, seconds=59)
    assert ask("pending") == Result(Outcome.COOLING_DOWN, retry_after=1)
    clock.move(seconds=1)
    assert ask("pending").ending is Outcome.SENT
    assert Cooldown.objects.get().hour_count == 1


def test_per_day(pending, clock):
    """At most 12 messages are sent in a day, counted from the first."""
    for _ in range(12):
        assert ask("pending").ending is Outcome.SENT
        clock.move(minutes=30)
    assert ask("pending") == Result(Outcome.COOLING_DOWN, retry_after=18 * 3600)
    clock.move(hours=18)
    assert ask("pending").ending is Outcome.SENT
    assert Cooldown.objects.get().day_count == 1


def test_limits_hold_without_a_hint(clock):
    """The statement that takes a slot enforces the limits itself."""
    granted = []
    for _ in range(24 * 12):
        if cooldown.take("jane@example.com") == 0:
            granted.append(clock.now)
        clock.move(minutes=5)
    hours = [(moment - NOON) // timedelta(hours=1) for moment in granted]
    assert hours == [0] * 5 + [1] * 5 + [2] * 2
    assert cooldown.take("jane@example.com") == 0


def test_no_limits(pending, clock, change):
    """An empty COOLDOWN means no limits."""
    change(COOLDOWN=[])
    endings = {ask("pending").ending for _ in range(20)}
    assert endings == {Outcome.SENT}


@pytest.mark.parametrize("how", [ask, ask_quietly])
def test_one_slot_for_user_name_and_address(pending, clock, how):
    """An account has one cooldown, whether requested by address or user name."""
    for identity in ("pending", "pending@example.com", "PENDING@EXAMPLE.COM", " pending "):
        how(identity)
    engine.resolve()
    states = Delivery.objects.filter(state=DeliveryState.QUEUED)
    assert states.count() == 1
    assert Cooldown.objects.get().hour_count == 1


@pytest.mark.parametrize(
    ("first", "then"),
    [(ask_half_quietly, Outcome.COOLING_DOWN), (ask_quietly, Outcome.SENT)],
)
def test_one_cooldown_known_or_not(pending, clock, first, then):
    """Requesting again with only UNKNOWN concealed does not reveal earlier requests by others.

    Neither does an earlier request through a quiet dialect.
    """
    told = {}
    for identity in ("pending@example.com", "nobody@example.com"):
        first(identity)
        engine.resolve()
        told[identity] = [ask_half_quietly(identity).ending]
        clock.move(seconds=61)
        told[identity].append(ask_half_quietly(identity).ending)
    assert list(told.values()) == [[then, Outcome.SENT]] * 2


ORDERS = [("ann@example.com", "bob"), ("bob", "ann@example.com"), ("bob", "bob")]


@pytest.mark.parametrize("quiet", [{Outcome.UNKNOWN}, {Outcome.UNKNOWN, Outcome.CONFIRMED}])
@pytest.mark.parametrize("standing", ["pending", "confirmed", "just signed up"])
@pytest.mark.parametrize("order", ORDERS)
def test_no_name_is_linked_to_an_address(clock, quiet, standing, order):
    """With UNKNOWN concealed and the cooldown revealed, the cooldown is that of the identity.

    Requested by address and by name, in any order, an account gets the same results as an unknown
    one, with the same number of queries.
    """
    told: dict[str, list[tuple[Any, ...]]] = {}
    for name, address in (("bob", "ann@example.com"), ("carl", "eve@example.com")):
        if name == "bob":
            user = UserFactory.create(username=name, email=address)
            if standing != "confirmed":
                start(user, send=standing == "just signed up")
        elif standing == "confirmed" and Outcome.CONFIRMED not in quiet:
            return
        own = {"bob": name, "ann@example.com": address}
        told[name] = []
        for _ in range(2):
            for identity in order:
                with CaptureQueriesContext(connection) as captured:
                    result = ask(own[identity], quiet=frozenset(quiet))
                shown = (result.ending, result.retry_after, result.address == own[identity])
                told[name].append((*shown, len(captured)))
                engine.resolve()
                clock.move(seconds=1)
            clock.move(seconds=70)
    assert told["bob"] == told["carl"]
    second = Outcome.COOLING_DOWN if order == ("bob", "bob") else Outcome.SENT
    assert [ending for ending, *_ in told["bob"]] == [Outcome.SENT, second] * 2


@pytest.mark.parametrize("order", ORDERS)
def test_unreported_cooldown_applies(clock, order):
    """The address gets one message in a cooldown, even if the results do not show it."""
    start(UserFactory.create(username="bob", email="ann@example.com"), send=False)
    for identity in order:
        ask_half_quietly(identity)
    engine.drain()
    assert [message.to for message in mail.outbox] == [["ann@example.com"]]


def test_a_flushed_cache_changes_nothing(pending, clock):
    """The cooldown does not depend on the cache."""
    assert ask("pending").ending is Outcome.SENT
    cache.clear()
    assert ask("pending").ending is Outcome.COOLING_DOWN


def test_addresses_have_their_own(pending, clock):
    """Each address has its own cooldown."""
    PendingFactory.create(username="other")
    assert [ask(name).ending for name in ("pending", "other")] == [Outcome.SENT, Outcome.SENT]


def test_row_of_the_cooldown_is_a_digest(pending):
    """A cooldown's row contains a digest instead of the address."""
    ask("pending")
    row = Cooldown.objects.values().get()
    assert "pending" not in str(row)
    assert len(row["digest"]) == 64


def test_statements(pending, clock, django_assert_num_queries):
    """A candid request takes four statements the first time, then three, and one if refused.

    On PostgreSQL it is one less than three.
    """
    # The second number is that of savepoints, which replace BEGIN and COMMIT in the test.
    with django_assert_num_queries(4 + 4):
        assert ask("pending").ending is Outcome.SENT
    with django_assert_num_queries(1):
        assert ask("pending").ending is Outcome.COOLING_DOWN
    clock.move(minutes=2)
    with django_assert_num_queries(2 if connection.vendor == "postgresql" else 3 + 2):
        assert ask("pending").ending is Outcome.SENT
    with django_assert_num_queries(1):
        assert ask("nobody").ending is Outcome.UNKNOWN


# The caller's transaction


class HostError(Exception):
    """An error in the host's code, after the call."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", [ask, ask_quietly])
def test_rolled_back(pending, wakes, how):
    """After a rollback there is no message, wake or cooldown."""

    def work():
        with transaction.atomic():
            assert how("pending").ending is Outcome.SENT
            raise HostError

    with pytest.raises(HostError):
        work()
    assert not Delivery.objects.exists()
    assert not Cooldown.objects.exists()
    assert wakes == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", [ask, ask_quietly])
def test_woken_after_the_commit(pending, wakes, how):
    """The carrier is woken when the host's transaction is committed."""
    with transaction.atomic():
        how("pending")
        assert wakes == []
    assert wakes == [1]


@pytest.mark.django_db(transaction=True)
def test_refusals_do_not_wake_the_courier(pending, confirmed, wakes):
    """A request without a message does not wake the carrier."""
    ask("confirmed")
    ask("nobody")
    assert wakes == []


@pytest.mark.django_db(transaction=True)
def test_a_carrier_that_fails(pending, change, caplog):
    """If the carrier fails, this is logged; the result and the row are unaffected."""
    change(CARRIER="tests.test_resend.BrokenCarrier")
    assert ask("pending").ending is Outcome.SENT
    assert Delivery.objects.get().state == DeliveryState.QUEUED
    assert "could not be notified" in caplog.text


# Backlog


def test_backlog(clock, change, monkeypatch, caplog):
    """Beyond BACKLOG requests are dropped for a while and counted; the result is the same."""
    monkeypatch.setattr(backlog, "CHECK_INTERVAL", 1)
    seconds = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + seconds[0])
    change(BACKLOG=3)
    results = {ask_quietly("nobody") for _ in range(10)}
    assert results == {Result(Outcome.SENT, "nobody", "nobody")}
    assert Delivery.objects.count() == 3
    engine.resolve()
    ask_quietly("nobody")
    assert Delivery.objects.count() == 3
    seconds[0] = backlog.CLOSED_FOR
    ask_quietly("nobody")
    assert Delivery.objects.count() == 4
    assert "Dropped 8 requests" in caplog.text


def test_backlog_counts_unresolved_requests_alone(pending, clock, change, monkeypatch):
    """Resolved requests do not count."""
    monkeypatch.setattr(backlog, "CHECK_INTERVAL", 1)
    change(BACKLOG=3)
    for _ in range(5):
        ask_quietly("nobody")
        engine.resolve()
    assert Delivery.objects.count() == 5


# start, withdraw, send_to


def test_start(clock):
    """``start`` creates the confirmation and queues the first message."""
    user = UserFactory.create(email="Jane@Example.com")
    confirmation = start(
        user,
        client="arcade",
        dialect="acme",
        redirect="app://xlogin.com.example.arcade",
        language="de",
        time_zone="Europe/Berlin",
    )
    confirmation.refresh_from_db()
    assert (confirmation.account, confirmation.address) == (user, "Jane@Example.com")
    assert (confirmation.state, confirmation.client) == (ConfirmationState.PENDING, "arcade")
    assert (confirmation.language, confirmation.time_zone) == ("de", "Europe/Berlin")
    assert confirmation.requested_at == NOON
    delivery = Delivery.objects.get()
    assert (delivery.confirmation, delivery.state) == (confirmation, DeliveryState.QUEUED)
    assert (delivery.dialect, delivery.client, delivery.redirect) == ("acme", "arcade", "2")
    assert delivery.not_before == NOON


def test_start_takes_the_slot(clock):
    """``start`` takes a slot of the cooldown."""
    start(UserFactory.create(username="new"))
    assert ask("new").ending is Outcome.COOLING_DOWN


def test_start_without_sending():
    """With ``send=False`` only the confirmation is created."""
    start(UserFactory.create(username="new"), send=False)
    assert not Delivery.objects.exists()
    assert not Cooldown.objects.exists()


def test_start_within_a_cooldown(pending, clock):
    """Within a cooldown the sign-up's message is delayed, not dropped."""
    ask("pending")
    clock.move(seconds=20)
    start(PendingFactory.create(username="second", email="pending@example.com"))
    late = Delivery.objects.latest("pk")
    assert late.not_before == NOON + timedelta(seconds=60)
    assert engine.drain().sent == 1
    late.refresh_from_db()
    assert late.state == DeliveryState.QUEUED
    clock.move(seconds=40)
    # The first message was sent late, and the cooldown is between messages.
    assert engine.drain().sent == 0
    clock.move(seconds=20)
    assert engine.drain().sent == 1


@pytest.mark.parametrize("how", [ask_quietly, ask_half_quietly])
def test_start_after_requests_without_an_account(clock, how):
    """Requests before the sign-up delay its message by at most a minute."""
    for _ in range(24 * 4):
        how("new@example.com")
        engine.resolve()
        clock.move(minutes=15)
    row = Cooldown.objects.get(digest=cooldown.digest("new@example.com"))
    assert row.day_count == 12
    start(UserFactory.create(email="new@example.com"))
    late = Delivery.objects.latest("pk")
    assert late.not_before <= clock.now + timedelta(seconds=60)


def test_start_with_blanks_around_the_address():
    """``start`` stores the address without the blanks around it."""
    start(UserFactory.create(email=" \tJane@Example.com\r\n"))
    assert Confirmation.objects.get().address == "Jane@Example.com"


@pytest.mark.parametrize("address", ["", "no address", "a,b@example.com", "a@example.com\v", None])
def test_start_without_an_address(address):
    """``start`` raises an error for an account without a valid address."""
    user = UserFactory.create()
    user.email = address
    with pytest.raises(ValueError, match="not an address"):
        start(user)
    assert not Confirmation.objects.exists()


@pytest.mark.parametrize(
    "given",
    [
        {"redirect": "https://evil.example/"},
        {"redirect": "https://kiosk.example/"},
        {"redirect": "https://game.example/callback", "client": "arcade"},
        {"redirect": "https://game.example/callback", "client": "nobody"},
        {"client": "nobody"},
    ],
)
def test_start_with_a_foreign_redirect(given):
    """``start`` raises an error for a redirect that is not registered, and stores nothing."""
    user = UserFactory.create()
    with pytest.raises(ValueError, match=r"not registered|unknown client"):
        start(user, **given)
    assert not Confirmation.objects.exists()


@pytest.mark.parametrize(
    "given",
    [
        {"language": "no language"},
        {"language": "../de"},
        {"language": "d\0"},
        {"language": 5},
        # Longer than the column.
        {"language": "de-1234567-1234567"},
    ],
)
def test_start_with_an_invalid_language(given):
    """``start`` raises an error for an invalid language code, and stores nothing."""
    user = UserFactory.create()
    with pytest.raises(ValueError, match="is not a language code"):
        start(user, **given)
    assert not Confirmation.objects.exists()


@pytest.mark.parametrize(
    "time_zone", ["Europ/Berlin", "Europe", "../UTC", "/etc/passwd", "d\0", "\udcff", 5]
)
def test_start_in_an_unknown_time_zone(time_zone):
    """An unknown time zone is not stored, since browsers may know more of them than Python."""
    start(UserFactory.create(), time_zone=time_zone)
    assert Confirmation.objects.get().time_zone == ""


@pytest.mark.parametrize(
    ("language", "time_zone", "written"),
    [
        (None, None, ("", "")),
        ("", "", ("", "")),
        ("pt-br", "UTC", ("pt-br", "UTC")),
        ("de_AT", "Etc/GMT+5", ("de_AT", "Etc/GMT+5")),
        # A language that the site does not have, spelled as by a browser.
        ("fil-PH", "UTC", ("fil-PH", "UTC")),
        ("fr-CH", "America/Argentina/Ushuaia", ("fr-CH", "America/Argentina/Ushuaia")),
        ("zh-Hant-TW", ZoneInfo("Asia/Taipei"), ("zh-Hant-TW", "Asia/Taipei")),
    ],
)
def test_start_as_a_stored_profile_says(language, time_zone, written):
    """Valid language codes and time zones are stored unchanged."""
    start(UserFactory.create(), language=language, time_zone=time_zone)
    confirmation = Confirmation.objects.get()
    assert (confirmation.language, confirmation.time_zone) == written
    assert Delivery.objects.get().language == written[0]


@pytest.mark.parametrize(
    ("account", "name"),
    [
        (None, "NoneType"),
        ("x", "str"),
        (5, "int"),
        (AnonymousUser(), "AnonymousUser"),
        (get_user_model(), "ModelBase"),
        (Account(None, "a@example.com", "a", Standing.PENDING), "NoneType"),
    ],
    ids=["None", "text", "number", "anonymous", "class", "Account"],
)
def test_start_without_an_account(account, name):
    """``start`` raises an error with the type of a wrong argument."""
    with pytest.raises(TypeError, match=f"^start takes a user or an Account, not {name}$"):
        start(account)
    assert not Confirmation.objects.exists()


def test_start_for_the_user_of_a_request():
    """``start`` accepts ``request.user``, which is a lazy object."""
    user = UserFactory.create()
    start(SimpleLazyObject(lambda: user))
    assert Confirmation.objects.get().account == user


@pytest.mark.parametrize(
    ("given", "redirect"), [({}, "0"), ({"client": "arcade"}, "0"), ({"client": "kiosk"}, "0")]
)
def test_start_without_a_redirect(given, redirect):
    """Without a redirect the client's first one is used."""
    start(UserFactory.create(), **given)
    engine.drain()
    assert Delivery.objects.get().redirect == redirect


def test_start_without_a_redirect_to_register(change):
    """If the client has no redirect, the delivery has none."""
    change(CLIENTS=[{"name": "default"}])
    start(UserFactory.create())
    engine.drain()
    assert Delivery.objects.get().redirect == ""


def test_start_again_while_pending(pending):
    """A second ``start`` for the same address keeps the confirmation and its links."""
    before = Confirmation.objects.get()
    start(pending)
    after = Confirmation.objects.get()
    assert (after.pk, after.selector) == (before.pk, before.selector)


def test_start_again_for_another_client(pending):
    """A second ``start`` for another client uses that client's redirect."""
    assert Confirmation.objects.get().client == "game"
    start(pending, client="arcade", redirect="https://arcade.example/b?keep=1")
    delivery = Delivery.objects.get()
    client = clients.by_name(delivery.client)
    assert client is not None
    redirect = clients.redirect_by_id(client, delivery.redirect)
    assert redirect is not None
    assert redirect.url == "https://arcade.example/b?keep=1"


def test_start_again_without_a_time_zone(pending):
    """A ``start`` without a time zone keeps that of the ``start`` before."""
    start(pending, time_zone="Europe/Berlin")
    start(pending)
    assert Confirmation.objects.get().time_zone == "Europe/Berlin"


@pytest.mark.parametrize("state", [ConfirmationState.CONFIRMED, ConfirmationState.WITHDRAWN])
def test_restart(pending, clock, state):
    """``start`` makes a confirmed or withdrawn confirmation pending again, with new links."""
    Confirmation.objects.update(state=state, confirmed_at=timezone.now())
    before = Confirmation.objects.get()
    start(pending, client="arcade", language="de")
    after = Confirmation.objects.get()
    assert (after.pk, after.state) == (before.pk, ConfirmationState.PENDING)
    assert (after.client, after.language) == ("arcade", "de")
    assert after.confirmed_at is None
    assert after.selector != before.selector
    assert after.requested_at == NOON


def test_start_for_a_new_address(pending):
    """``start`` for a new address creates another confirmation."""
    pending.email = "new@example.com"
    pending.save()
    start(pending)
    addresses = Confirmation.objects.order_by("pk").values_list("address", flat=True)
    assert list(addresses) == ["pending@example.com", "new@example.com"]


def test_withdraw(pending):
    """``withdraw`` succeeds once, and replaces the selector, which invalidates links."""
    before = Confirmation.objects.get()
    assert withdraw(before) is True
    after = Confirmation.objects.get()
    assert after.state == ConfirmationState.WITHDRAWN
    assert after.selector != before.selector
    assert withdraw(before) is False


def test_withdraw_a_user(pending):
    """``withdraw`` refuses a user, instead of withdrawing the row with the same key."""
    Confirmation.objects.update(id=pending.pk)
    with pytest.raises(TypeError, match="the Confirmation that start returns"):
        withdraw(pending)
    assert Confirmation.objects.get().state == ConfirmationState.PENDING


def test_withdraw_a_confirmed_account(pending):
    """``withdraw`` does not change a confirmed address."""
    Confirmation.objects.update(state=ConfirmationState.CONFIRMED)
    assert withdraw(Confirmation.objects.get()) is False
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED


def test_send_to(pending, confirmed, clock):
    """``send_to`` respects the cooldown and only sends to pending accounts."""
    (account,) = find_accounts("pending")
    assert engine.send_to(account, client="game").ending is Outcome.SENT
    (account,) = find_accounts("pending")
    assert engine.send_to(account) == Result(Outcome.COOLING_DOWN, retry_after=60)
    (other,) = find_accounts("confirmed")
    assert engine.send_to(other) == Result(Outcome.CONFIRMED)
    assert Delivery.objects.count() == 1


def test_send_to_an_account_without_a_message(clock):
    """``send_to`` uses the client of the sign-up if no message was requested yet."""
    user = UserFactory.create(username="new")
    start(user, client="arcade", send=False)
    engine.send_to(*find_accounts("new"))
    assert Delivery.objects.get().client == "arcade"


def test_send_to_as_named(pending, clock):
    """``send_to`` takes the way that is named, and the origin, instead of the newest message's."""
    start(pending, client="arcade", dialect="acme")
    clock.move(hours=1)
    engine.send_to(*find_accounts("pending"), client="game", origin=Origin.RUN)
    newest = Delivery.objects.latest("pk")
    assert (newest.client, newest.dialect, newest.origin) == ("game", "", Origin.RUN)


@pytest.mark.parametrize(
    "how", [ask, start, lambda user: engine.send_to(*find_accounts(user.username))]
)
def test_time_of_a_slot(pending, how):
    """A delivery has the exact time of its slot, by which the slot is released."""
    how("pending" if how is ask else pending)
    assert Delivery.objects.get().slot_at == Cooldown.objects.get().last_at


def test_send_to_by_the_way_of_the_account(clock):
    """``send_to`` uses the client of this account's newest message to this address."""
    user = UserFactory.create(email="shared@example.com")
    for client in ("game", "arcade"):
        start(user, client=client)
    start(UserFactory.create(email="shared@example.com"), client="game")
    start(Account(user, "other@example.com", user.username, Standing.PENDING), client="game")
    clock.move(hours=1)
    engine.send_to(next(a for a in find_accounts("shared@example.com") if a.user == user))
    newest = Delivery.objects.latest("pk")
    assert newest.client == "arcade"
    assert newest.confirmation == Confirmation.objects.earliest("pk")


@pytest.mark.parametrize("how", [ask, ask_quietly])
def test_a_store_that_is_down(how, pending, clock, script, monkeypatch):
    """Requests survive an outage of the account store."""
    monkeypatch.setattr(database, "RECONNECT_SECONDS", 0)
    assert how("pending").ending is Outcome.SENT
    with monkeypatch.context() as away:
        for look_up in ("find", "get"):
            fail = mock.Mock(side_effect=OperationalError("no connection"))
            away.setattr(f"resend_confirmation.accounts.ConfirmationStore.{look_up}", fail)
        for _ in range(10):
            engine.drain()
            Delivery.objects.update(not_before=clock.now)
            clock.move(minutes=1)
    waits = Delivery.objects.get()
    assert waits.attempts == 0
    assert (waits.identity == "pending") is (how is ask_quietly)
    engine.drain()
    assert Delivery.objects.get().state == DeliveryState.SENT


def test_a_store_that_stays_down(clock, monkeypatch):
    """A quiet request is retried for as long as a link would have been valid."""
    ask_quietly("pending")
    fail = mock.Mock(side_effect=OperationalError("no connection"))
    monkeypatch.setattr("resend_confirmation.accounts.ConfirmationStore.find", fail)
    for _ in range(47):
        clock.move(minutes=30)
        engine.resolve()
        assert Delivery.objects.get().state == DeliveryState.ASKED
    clock.move(minutes=30)
    engine.resolve()
    given_up = Delivery.objects.get()
    assert (given_up.state, given_up.reason) == (DeliveryState.FAILED, Reason.TOO_LATE)
    assert given_up.identity == ""


@pytest.mark.django_db(transaction=True)
def test_a_session_that_is_cut_while_resolving(pending, monkeypatch):
    """If the session is lost while resolving, the request is looked up again at once."""
    ask_quietly("pending")
    cuts = [OperationalError("terminated")]

    def cut(identity):
        if cuts:
            raise cuts.pop()
        return find_accounts(identity)

    monkeypatch.setattr("resend_confirmation.engine.resolution.find_accounts", cut)
    engine.drain()
    sent = Delivery.objects.get()
    assert (sent.state, sent.attempts) == (DeliveryState.SENT, 1)
