"""A slot of the cooldown is released once if nothing was sent, but not in case of doubt."""

import smtplib
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.db import transaction

from resend_confirmation import clients, engine, start, withdraw
from resend_confirmation.deliveries import claims
from resend_confirmation.engine import ResendRequest
from resend_confirmation.engine.requests import find_accounts
from resend_confirmation.limits import cooldown, suppression
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Suppression
from resend_confirmation.outcomes import CONCEALED, DeliveryState, Outcome, Reason

from .dialects.cases import token_of
from .factories import PendingFactory, UserFactory, address_of

pytestmark = [pytest.mark.database, pytest.mark.django_db]

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
GONE = smtplib.SMTPRecipientsRefused({"pending@example.com": (550, b"no such mailbox")})


def ask(identity="pending", **given):
    given = {"client": clients.default()} | given
    return engine.resend(ResendRequest(identity=identity, **given)).ending


def ask_quietly(identity="pending"):
    ask(identity, quiet=CONCEALED)
    engine.resolve()
    return Outcome.SENT if Delivery.objects.filter(state="queued").exists() else None


def state():
    return Delivery.objects.latest("pk").state


def released(delivery):
    return cooldown.release(delivery.confirmation.parsed, delivery.slot_at)


def drain(clock, hours=9):
    """Drain every minute until no message is left."""
    for _ in range(hours * 60):
        engine.drain()
        if not Delivery.objects.filter(state__in=["queued", "sending"]).exists():
            break
        clock.move(minutes=1)


@pytest.mark.parametrize("how", [ask, ask_quietly])
def test_a_failed_send(pending, clock, script, how):
    """After a refusal a new request is possible at once, and the hourly limit is unaffected."""
    script.append(GONE)
    assert how() is Outcome.SENT
    engine.drain()
    assert state() == DeliveryState.FAILED
    assert Cooldown.objects.get().hour_count == 0
    assert [how(), ask()] == [Outcome.SENT, Outcome.COOLING_DOWN]
    engine.drain()
    assert state() == DeliveryState.SENT
    for _ in range(4):
        clock.move(minutes=1)
        assert ask() is Outcome.SENT
    clock.move(minutes=1)
    assert ask() is Outcome.COOLING_DOWN


def test_every_way_of_asking(clock, script):
    """Slots taken by a sign-up, by staff and by a renewal are released as well."""
    script.extend([GONE, GONE, None, GONE])
    user = UserFactory.create(username="pending", email="pending@example.com")
    start(user)
    engine.drain()
    (account,) = find_accounts("pending")
    assert engine.send_to(account).ending is Outcome.SENT
    engine.drain()
    assert engine.send_to(account).ending is Outcome.SENT
    engine.drain()
    assert state() == DeliveryState.SENT
    clock.move(days=2)
    renewed = engine.renew(token_of(mail.outbox[0]))
    assert renewed is not None
    assert renewed.ending is Outcome.SENT
    engine.drain()
    assert (state(), Cooldown.objects.get().hour_count) == (DeliveryState.FAILED, 0)


def test_the_day_is_not_released(pending, clock, script):
    """The daily count is not released: an address that always fails is tried 12 times a day."""
    script.extend([GONE] * 50)
    endings = []
    for _ in range(50):
        endings.append(ask())
        engine.drain()
        clock.move(seconds=1)
    assert endings == [Outcome.SENT] * 12 + [Outcome.COOLING_DOWN] * 38
    assert Delivery.objects.filter(state=DeliveryState.FAILED).count() == 12


def test_confirmed_before_the_send(pending, clock):
    """A message that is no longer needed releases its slot."""
    ask()
    withdraw(Confirmation.objects.get())
    engine.drain()
    assert state() == DeliveryState.ABANDONED
    start(pending)
    assert Delivery.objects.latest("pk").not_before == NOON


def spoil(pending):
    """Overwrite the addresses, as a faulty script of the host might."""
    Confirmation.objects.update(address="no address at all")
    pending.email = "no address at all"
    pending.save()


def test_spoilt(pending, clock):
    """A message whose address is now invalid is abandoned, and others are still sent."""
    ask()
    spoil(pending)
    other = PendingFactory.create(username="other", email="other@example.com")
    ask("other")
    engine.drain()
    assert dict(Delivery.objects.values_list("confirmation__account_id", "state")) == {
        pending.pk: DeliveryState.ABANDONED,
        other.pk: DeliveryState.SENT,
    }


def test_spoilt_in_flight(pending, clock, script):
    """A message that is refused after its address became invalid ends too, and keeps its slot."""
    ask()
    claim = claims.claim("courier")
    assert claim is not None
    spoil(pending)
    claim.delivery.refresh_from_db()
    assert claims.mark(claim, DeliveryState.FAILED, reason=Reason.REFUSED)
    assert (state(), Cooldown.objects.get().hour_count) == (DeliveryState.FAILED, 1)


def test_suppressed(pending, clock):
    """A suppressed message releases its slot, so lifting the suppression has effect at once."""
    suppression.suppress(address_of("pending@example.com"), Suppression.Why.BY_HAND)
    assert ask() is Outcome.SENT
    engine.drain()
    assert state() == DeliveryState.SUPPRESSED
    Suppression.objects.all().delete()
    assert ask() is Outcome.SENT


def test_while_it_is_tried_again(pending, clock, script):
    """A message that will be retried keeps its slot, and releases it when it is superseded."""
    script.extend([ConnectionRefusedError()] * 2)
    ask()
    engine.drain()
    assert state() == DeliveryState.QUEUED
    assert ask() is Outcome.COOLING_DOWN
    first = Delivery.objects.get()
    clock.move(minutes=1)
    assert ask() is Outcome.SENT
    second = Cooldown.objects.get().last_at
    engine.drain()
    first.refresh_from_db()
    assert first.state == DeliveryState.SUPERSEDED
    row = Cooldown.objects.get()
    assert (row.last_at, row.hour_count) == (second, 1)


def test_given_up_long_after(pending, clock, script):
    """After a message was given up, a new request is possible at once."""
    script.extend([ConnectionRefusedError()] * 50)
    ask()
    drain(clock)
    assert state() == DeliveryState.FAILED
    assert ask() is Outcome.SENT


@pytest.mark.parametrize("last", [GONE, smtplib.SMTPServerDisconnected("lost"), None])
def test_ambiguous(pending, clock, script, last, settings):
    """A message that may have been sent keeps its slot, whatever the result of the repeat."""
    settings.RESEND_CONFIRMATION = settings.RESEND_CONFIRMATION | {"COOLDOWN": ["1/h"]}
    ask()
    before = Cooldown.objects.get()
    # The state after a courier was killed during the send.
    claim = claims.claim("killed")
    assert claim is not None
    assert claims.hand_over(claim)
    script.append(last)
    clock.move(seconds=120)
    for _ in range(9):
        engine.drain()
        clock.move(minutes=3)
    assert state() in {DeliveryState.UNKNOWN, DeliveryState.SENT}
    assert Cooldown.objects.values_list("last_at", "hour_count").get() == (before.last_at, 1)
    assert ask() is Outcome.COOLING_DOWN


def test_ambiguous_and_then_skipped(pending, clock, script):
    """A message that may have been sent keeps its slot, even if it is not repeated."""
    script.append(TimeoutError("lost"))
    ask()
    before = Cooldown.objects.get()
    engine.drain()
    withdraw(Confirmation.objects.get())
    clock.move(minutes=5)
    engine.drain()
    assert state() == DeliveryState.ABANDONED
    assert Cooldown.objects.values_list("last_at", "hour_count").get() == (before.last_at, 1)


def test_ambiguous_before_a_sign_up(pending, clock):
    """A sign-up does not take over the slot of a message that may have been sent."""
    ask()
    Delivery.objects.update(doubts=1)
    clock.move(seconds=20)
    start(pending)
    older, newer = Delivery.objects.order_by("pk")
    assert (older.state, older.reason) == (DeliveryState.UNKNOWN, Reason.SUPERSEDED)
    assert (newer.slot_at, newer.reason) == (None, Reason.TURN)
    assert newer.not_before == NOON + timedelta(seconds=60)


def test_superseded_by_a_later_sign_up(pending, clock):
    """A sign-up takes over a waiting message's slot at once; with its own, it releases that."""
    start(pending)
    clock.move(seconds=20)
    start(pending)
    newest = Delivery.objects.latest("pk")
    assert (newest.slot_at, newest.not_before) == (NOON, clock.now)
    clock.move(seconds=40)
    start(pending)
    assert Delivery.objects.latest("pk").slot_at == clock.now
    assert Cooldown.objects.get().hour_count == 1


def test_a_turn_before_a_sign_up(pending, clock):
    """A sign-up takes over no slot from a message that waits for its turn and has none."""
    ask()
    other = PendingFactory.create(username="other", email="pending@example.com")
    for _ in range(2):
        start(other)
    newest = Delivery.objects.latest("pk")
    assert (newest.slot_at, newest.reason) == (None, Reason.TURN)
    assert newest.not_before == NOON + timedelta(seconds=60)


def test_unknown(pending, clock, script):
    """A message whose result is unknown keeps its slot."""
    script.extend([TimeoutError("lost")] * 9)
    ask()
    row = Cooldown.objects.get()
    claim = claims.claim("me")
    assert claim is not None
    claims.mark(claim, DeliveryState.UNKNOWN, reason=Reason.DOUBTFUL)
    assert Cooldown.objects.get().last_at == row.last_at
    assert ask() is Outcome.COOLING_DOWN


@pytest.mark.parametrize("gap", [["5/h"], ["1/60s", "5/h"]])
def test_once(pending, clock, script, settings, gap):
    """A slot is released only once."""
    settings.RESEND_CONFIRMATION = settings.RESEND_CONFIRMATION | {"COOLDOWN": gap}
    script.extend([None, GONE])
    for _ in range(2):
        ask()
        engine.drain()
        clock.move(seconds=60)
    failed = Delivery.objects.get(state=DeliveryState.FAILED)
    assert Cooldown.objects.get().hour_count == 1
    with transaction.atomic():
        assert not released(failed)
    assert Cooldown.objects.get().hour_count == 1


def test_a_later_slot_stays(pending, clock, settings):
    """A message does not release a slot that was taken after its own."""
    settings.RESEND_CONFIRMATION = settings.RESEND_CONFIRMATION | {"COOLDOWN": ["5/h", "12/d"]}
    ask()
    first = Delivery.objects.get()
    clock.move(seconds=1)
    ask()
    with transaction.atomic():
        assert not released(first)
    assert Cooldown.objects.get().hour_count == 2


def test_a_new_key(pending, clock, script, settings):
    """A slot that was taken under a former key is released too."""
    script.append(GONE)
    ask()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    engine.drain()
    assert Cooldown.objects.get().hour_count == 0


def test_release_is_not_revealed_if_only_unknown_is_concealed(pending, clock, script):
    """A dialect that reveals the cooldown but not accounts does not reveal a released slot."""
    quiet = frozenset({Outcome.UNKNOWN})
    script.append(GONE)
    told = [
        (ask(name, quiet=quiet), engine.drain() and ask(name, quiet=quiet))
        for name in ("pending", "nobody")
    ]
    assert Delivery.objects.filter(state=DeliveryState.FAILED).count() == 1
    assert told == [(Outcome.SENT, Outcome.COOLING_DOWN)] * 2
