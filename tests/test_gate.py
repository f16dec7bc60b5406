"""The gate before each send: one message to an address within a cooldown, of any origin."""

import smtplib
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from django.core import mail
from django.core.management import call_command

from resend_confirmation import clients, engine, start
from resend_confirmation.admin import actions
from resend_confirmation.deliveries import claims, gate
from resend_confirmation.engine import ResendRequest
from resend_confirmation.engine.requests import find_accounts
from resend_confirmation.models import Confirmation, Cooldown, Delivery
from resend_confirmation.outcomes import CONCEALED, DeliveryState, Reason

from .dialects.cases import token_of
from .factories import PendingFactory, UserFactory, address_of

pytestmark = pytest.mark.django_db

ADDRESS = "shared@example.com"
GAP = timedelta(seconds=60)


def ask(identity=ADDRESS, quiet=frozenset()):
    return engine.resend(
        ResendRequest(identity=identity, client=clients.default(), quiet=quiet)
    ).ending


@pytest.fixture
def carried(clock):
    """Return a function that drains every 10 s for some minutes and returns the times of sends."""

    def carry(minutes):
        times = []
        for _ in range(minutes * 6):
            before = len(mail.outbox)
            engine.drain()
            times += [clock.now] * (len(mail.outbox) - before)
            clock.move(seconds=10)
        return times

    return carry


def gaps(times):
    return [later - earlier for earlier, later in pairwise(times)]


# One account


def test_five_starts_with_a_running_courier(clock, carried):
    """The first and the last message are sent, a cooldown apart; the others are superseded."""
    user = UserFactory.create(email=ADDRESS)
    start(user)
    engine.drain()
    for _ in range(4):
        start(user)
    times = carried(10)
    assert (len(mail.outbox), len(times)) == (2, 1)
    assert times[0] - Delivery.objects.earliest("pk").sent_at >= GAP
    assert Counter(Delivery.objects.values_list("state", "reason")) == {
        ("sent", ""): 2,
        ("superseded", "superseded"): 3,
    }
    assert Confirmation.objects.get().last_delivery_state == DeliveryState.SENT


def test_five_starts_before_a_courier_runs(clock, carried):
    """Only the newest message is sent, at once, since it takes over the first one's slot."""
    user = UserFactory.create(email=ADDRESS)
    for _ in range(5):
        start(user)
    assert Delivery.objects.get(state="queued") == Delivery.objects.latest("pk")
    assert len(carried(10)) == 1
    assert Cooldown.objects.values_list("hour_count", "day_count").get() == (1, 1)


def test_requests_of_an_outage(pending, clock, script, carried):
    """Of the messages requested during an outage of the mail server, only one is sent after it."""
    script.extend([ConnectionRefusedError()] * 5)
    for _ in range(5):
        ask("pending")
        engine.drain()
        clock.move(minutes=1)
    times = carried(30)
    assert len(times) == 1
    assert Counter(Delivery.objects.values_list("state", flat=True)) == {"sent": 1, "superseded": 4}
    # Superseded messages do not count.
    assert Cooldown.objects.get().hour_count == 1


def test_an_ambiguous_attempt_that_was_superseded(pending, clock, script):
    """If a newer message supersedes an ambiguous one, that is unknown and is not repeated."""
    script.append(TimeoutError("lost"))
    ask("pending")
    first = claims.claim("killed")
    assert first is not None
    assert claims.pass_gate(first, address_of("pending@example.com")) == timedelta(0)
    assert claims.hand_over(first)
    clock.move(minutes=5)
    ask("pending")
    script.clear()
    engine.drain()
    clock.move(minutes=5)
    engine.drain()
    states = Delivery.objects.order_by("pk").values_list("state", "reason")
    assert list(states) == [("unknown", "superseded"), ("sent", "")]


def test_a_courier_that_was_killed(clock, script):
    """After an ambiguous send the repeat is sent, and another account's message waits."""
    one, two = (PendingFactory.create(email=ADDRESS) for _ in range(2))
    accounts = {a.user.pk: a for a in find_accounts(ADDRESS)}
    engine.send_to(accounts[one.pk])
    killed = claims.claim("killed")
    assert killed is not None
    assert claims.pass_gate(killed, address_of(ADDRESS)) == timedelta(0)
    assert claims.hand_over(killed)
    engine.send_to(accounts[two.pk])
    clock.move(seconds=61)
    engine.drain()
    assert Delivery.objects.get(state="sent").pk == killed.delivery.pk
    waits = Delivery.objects.latest("pk")
    assert (waits.state, waits.reason, waits.attempts) == ("queued", Reason.TURN, 0)
    clock.move(seconds=59)
    engine.drain()
    assert len(mail.outbox) == 1
    clock.move(seconds=1)
    engine.drain()
    assert len(mail.outbox) == 2


def test_refused_message_delays_no_other(clock, script):
    """If a message is refused, the next one can be sent at once."""
    one, two = (PendingFactory.create(email=ADDRESS) for _ in range(2))
    script.append(smtplib.SMTPRecipientsRefused({ADDRESS: (550, b"no")}))
    for account in find_accounts(ADDRESS):
        engine.send_to(account)
        engine.drain()
    assert Counter(Delivery.objects.values_list("state", flat=True)) == {"failed": 1, "sent": 1}
    assert one != two


# Accounts that share an address


def by_dialect(accounts, users):
    ask()


def by_quiet_dialect(accounts, users):
    ask(quiet=CONCEALED)


def by_start(accounts, users):
    for user in users:
        start(user)


def by_command(accounts, users):
    call_command("resend_confirmation", "send", ADDRESS, verbosity=0)


def by_bulk(accounts, users):
    call_command("resend_confirmation", "send", "--pending", verbosity=0)


def by_admin(accounts, users):
    for confirmation in Confirmation.objects.all():
        actions.resend(confirmation)


@pytest.mark.parametrize(
    "how", [by_dialect, by_quiet_dialect, by_start, by_command, by_bulk, by_admin]
)
def test_accounts_that_share_an_address(how, clock, carried):
    """Each account gets a message, one in each cooldown, however they were requested."""
    users = [PendingFactory.create(email=ADDRESS) for _ in range(3)]
    how(find_accounts(ADDRESS), users)
    assert Delivery.objects.exclude(reason=Reason.TURN).count() == 1
    times = carried(10)
    assert len(times) == 3
    assert min(gaps(times)) >= GAP
    assert Cooldown.objects.values_list("hour_count", "day_count").get() == (3, 3)
    for letter in mail.outbox:
        engine.confirm(token_of(letter))
    states = Confirmation.objects.values_list("account", "state")
    assert dict(states) == {user.pk: "confirmed" for user in users}


def test_the_newest_account_first(clock, carried):
    """Messages are sent to the newest account first."""
    users = [PendingFactory.create(email=ADDRESS) for _ in range(4)]
    ask()
    carried(10)
    sent = Delivery.objects.order_by("sent_at").values_list("confirmation__account", flat=True)
    assert list(sent) == [user.pk for user in reversed(users)]


def test_renewed(clock, carried):
    """A renewal of an expired link uses the same slots."""
    for _ in range(2):
        PendingFactory.create(email=ADDRESS)
    ask()
    assert len(carried(5)) == 2
    clock.move(hours=24)
    results = [engine.renew(token_of(letter)) for letter in list(mail.outbox)]
    assert [result.ending.value for result in results if result] == ["sent", "cooling_down"]
    assert len(carried(5)) == 1


def test_many_accounts(clock, carried):
    """30 accounts that share an address get 5 messages an hour and 12 a day, like one account."""
    for _ in range(10):
        start(UserFactory.create(email=ADDRESS))
    for _ in range(20):
        PendingFactory.create(email=ADDRESS)
    clock.move(minutes=1)
    ask()
    times = carried(59)
    assert len(times) == 5
    assert min(gaps(times)) >= GAP
    for _ in range(23):
        carried(1)
        clock.move(minutes=59)
    assert len(mail.outbox) == 12
    for _ in range(3):
        carried(1)
        clock.move(minutes=59)
    assert not Delivery.objects.filter(state__in=["queued", "sending"]).exists()
    assert Delivery.objects.filter(state="failed", reason=Reason.TOO_LATE).count() >= 15


def test_requests_without_an_account_delay_a_sign_up_by_one_gap(clock, carried):
    """Requests before the sign-up delay its message by at most one gap of the cooldown."""
    for _ in range(12):
        ask("new@example.com", quiet=CONCEALED)
        engine.drain()
        clock.move(minutes=13)
    start(UserFactory.create(email="new@example.com"))
    assert len(carried(2)) == 1


# One row of the gate


@pytest.fixture
def shared(clock):
    """Two deliveries without a slot, claimed, to accounts that share an address."""
    times = {"asked_at": clock.now, "not_before": clock.now}
    for _ in range(2):
        confirmation = Confirmation.objects.get(account=PendingFactory.create(email=ADDRESS))
        Delivery.objects.create(confirmation=confirmation, state="queued", **times)
    return [claims.claim("one"), claims.claim("another")]


def enter(claim):
    return claims.pass_gate(claim, address_of(ADDRESS))


def test_during_a_send(shared):
    """A send may end at any moment, so the next try is one gap away."""
    assert [enter(claim) for claim in shared] == [timedelta(0), GAP]


@pytest.mark.parametrize("limits", [[], ["5/h"]])
def test_without_a_gap(shared, change, limits):
    """Without a gap neither a send nor a newer delivery makes others wait."""
    change(COOLDOWN=limits)
    claims.put_back(shared[1], timedelta(0))
    assert enter(shared[0]) == timedelta(0)
    again = claims.claim("another")
    assert again is not None
    assert enter(again) == timedelta(0)


def test_a_gate_that_another_passed(shared, monkeypatch):
    """A delivery that lost a race waits, even if nothing is left to wait for."""
    monkeypatch.setattr(gate, "_pass", lambda *given: 0)
    assert enter(shared[0]) == timedelta(seconds=1)


def test_left_late(shared, clock):
    """The end of a send whose time was over leaves the gate to the next one."""
    assert enter(shared[0]) == timedelta(0)
    clock.move(minutes=5)
    assert enter(shared[1]) == timedelta(0)
    before = Cooldown.objects.values().get()
    gate.leave(shared[0].delivery, address_of(ADDRESS), may_be_out=False)
    assert Cooldown.objects.values().get() == before


def test_an_ambiguous_attempt_and_a_failed_repeat(pending, clock, script):
    """The gap counts from the last end of a message that may have been sent."""
    script.extend([TimeoutError("lost"), ConnectionRefusedError()])
    ask("pending")
    for _ in range(2):
        engine.drain()
        assert Cooldown.objects.get().sent_at == clock.now
        clock.move(minutes=2)
    assert Delivery.objects.values_list("state", "doubts").get() == ("queued", 1)


@pytest.mark.parametrize(("doubts", "wait"), [(0, timedelta(0)), (1, timedelta(hours=1))])
def test_ambiguous_attempts_count(shared, clock, change, doubts, wait):
    """A queued delivery counts for the hour if it may have been sent before."""
    change(COOLDOWN=["2/h"])
    confirmation = shared[0].delivery.confirmation
    for _ in range(2):
        Delivery.objects.create(
            confirmation=confirmation,
            state="queued",
            doubts=doubts,
            asked_at=clock.now,
            not_before=clock.now + GAP,
            handed_at=clock.now,
        )
    assert enter(shared[0]) == wait
