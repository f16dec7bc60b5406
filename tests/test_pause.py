"""Pauses of the queue: e-mail settings that do not work, and the hourly budget."""

import smtplib
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail

from resend_confirmation import engine, start
from resend_confirmation.accounts import store
from resend_confirmation.courier import Tally, pause, send_due
from resend_confirmation.limits.budget import limit_for
from resend_confirmation.models import Confirmation, Delivery
from resend_confirmation.outcomes import DeliveryState, Origin, Reason

from .factories import UserFactory, address_of, queued
from .mailers import ScriptedBackend, through

pytestmark = [pytest.mark.database, pytest.mark.django_db]

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def column(name):
    return list(Delivery.objects.order_by("pk").values_list(name, flat=True))


# E-mail settings that do not work


def wrong_password():
    return smtplib.SMTPAuthenticationError(535, b"5.7.8 bad credentials")


def test_sending_is_paused(clock, script, caplog):
    """After an authentication error nothing is sent for a minute."""
    first, second = (queued(UserFactory.create()) for _ in range(2))
    script.append(wrong_password())
    assert send_due() == Tally(unsent=1, paused=True)
    assert send_due() == Tally(paused=True)
    clock.move(seconds=59)
    assert send_due() == Tally(paused=True)
    assert len(ScriptedBackend.seen) == 1
    assert "535" in caplog.text
    assert column("pk") == [first.pk, second.pk]
    assert column("state") == [DeliveryState.QUEUED, DeliveryState.QUEUED]


def test_other_deliveries_are_no_pause(pending, clock):
    """A pause ends within a minute; the deliveries that wait for a later time are not read."""
    row = queued(pending)
    rows = Delivery.objects.filter(pk=row.pk)
    rows.update(reason=Reason.CONFIGURATION, not_before=clock.now + timedelta(seconds=60))
    assert pause.paused_by() == row
    rows.update(not_before=clock.now + timedelta(seconds=61))
    assert pause.paused_by() is None


def test_no_attempt_is_used_up(pending, clock, script):
    """A pause does not use up attempts, however long it lasts."""
    queued(pending)
    script.extend([wrong_password() for _ in range(20)])
    for _ in range(20):
        assert send_due() == Tally(unsent=1, paused=True)
        assert column("attempts") == [0]
        clock.move(minutes=1)
    assert send_due() == Tally(sent=1)
    assert column("attempts") == [1]


def test_staff_see_why(pending, clock, script):
    """The delivery that failed has the reason, the error and the end of the pause."""
    delivery = queued(pending)
    script.append(wrong_password())
    send_due()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.CONFIGURATION)
    assert (delivery.error_class, delivery.error_code) == ("SMTPAuthenticationError", "535")
    assert delivery.not_before == clock.now + timedelta(minutes=1)
    assert pause.paused_by() == delivery


def test_resumes(clock, script):
    """When the settings work again, all queued messages are sent and the error is cleared."""
    for _ in range(3):
        queued(UserFactory.create())
    script.append(wrong_password())
    send_due()
    clock.move(minutes=1)
    assert pause.paused_by() is None
    assert send_due() == Tally(sent=3)
    assert column("reason") == [Reason.NONE] * 3
    assert column("error_class") == [""] * 3


def test_the_longest_pause(clock, script):
    """Of several deliveries that failed, the one with the longest pause is returned."""
    for _ in range(2):
        queued(UserFactory.create())
    script.extend([wrong_password(), wrong_password()])
    send_due()
    Delivery.objects.filter(reason=Reason.CONFIGURATION).update(
        not_before=clock.now + timedelta(seconds=5)
    )
    clock.move(seconds=5)
    send_due()
    assert pause.paused_by() == Delivery.objects.get(not_before=clock.now + timedelta(minutes=1))


def test_an_unusable_mailer(pending, clock, settings):
    """An e-mail backend that cannot be imported pauses sending."""
    through(settings, "nowhere.EmailBackend")
    queued(pending)
    assert send_due() == Tally(unsent=1, paused=True)
    assert column("reason") == [Reason.CONFIGURATION]
    assert column("attempts") == [0]
    through(settings, "django.core.mail.backends.locmem.EmailBackend")
    clock.move(minutes=1)
    assert send_due() == Tally(sent=1)


def test_the_life_of_the_link_begins_when_the_settings_work(pending, clock, settings):
    """The link's lifetime starts when the message is sent, after a pause of two days."""
    through(settings, "nowhere.EmailBackend")
    queued(pending)
    send_due()
    clock.move(days=2)
    through(settings, "django.core.mail.backends.locmem.EmailBackend")
    assert send_due() == Tally(sent=1)
    assert column("link_expires_at") == [clock.now + timedelta(hours=24)]


# The hourly budget


@pytest.fixture
def budget(change):
    """Set HOURLY_BUDGET to two messages."""
    change(HOURLY_BUDGET=2)


def test_within_the_budget(clock, change):
    """Without a budget, which is the default, all messages are sent."""
    for _ in range(5):
        queued(UserFactory.create())
    assert send_due() == Tally(sent=5)


def test_over_the_budget(clock, budget):
    """Messages over the budget are delayed without using up an attempt."""
    for _ in range(3):
        queued(UserFactory.create())
    assert send_due() == Tally(sent=2, paused=True)
    last = Delivery.objects.latest("pk")
    assert (last.state, last.reason) == (DeliveryState.QUEUED, Reason.NONE)
    assert (last.attempts, last.error_class) == (0, "HourlyBudget")
    assert last.not_before == clock.now + timedelta(minutes=1)
    assert len(mail.outbox) == 2


def test_delayed_and_not_dropped(clock, budget):
    """With two messages an hour the seventh is sent in the fourth hour, with a valid link."""
    for _ in range(7):
        queued(UserFactory.create())
    sent = []
    for _ in range(4 * 12):
        before = len(mail.outbox)
        send_due()
        sent.extend([(clock.now - NOON) // timedelta(hours=1)] * (len(mail.outbox) - before))
        clock.move(minutes=5)
    assert sent == [0, 0, 1, 1, 2, 2, 3]
    assert column("state") == [DeliveryState.SENT] * 7
    assert len({letter.to[0] for letter in mail.outbox}) == 7
    rows: Any = Delivery.objects.values_list("link_expires_at", "sent_at")
    lives = [expires_at - sent_at for expires_at, sent_at in rows]
    assert lives == [timedelta(hours=24)] * 7


def test_a_new_hour(clock, budget):
    """A new budget starts an hour after the previous one's first message."""
    for _ in range(3):
        queued(UserFactory.create())
    send_due()
    clock.move(minutes=59)
    assert send_due() == Tally(paused=True)
    clock.move(minutes=1)
    assert send_due() == Tally(sent=1)


def test_skipped_delivery_costs_no_budget(clock, budget):
    """A delivery that is skipped does not count."""
    skipped = queued(UserFactory.create())
    Confirmation.objects.filter(pk=skipped.confirmation_id).update(state="confirmed")
    for _ in range(2):
        queued(UserFactory.create())
    assert send_due() == Tally(sent=2, skipped=1)


def waiting(sends=0, **given):
    """Queue a resend to a new account that has already got ``sends`` messages."""
    user = UserFactory.create()
    start(user, send=False)
    Confirmation.objects.filter(account=user).update(sends=sends)
    account = store().get(user.pk, address_of(user.email))
    assert account is not None
    engine.send_to(account, **given)


def count(name):
    """Return the number of deliveries in a state, by origin and the account's messages."""
    rows = Delivery.objects.filter(state=name).values_list("origin", "confirmation__sends")
    return Counter((Origin(origin).name, sends) for origin, sends in rows)


def test_requests_do_not_delay_sign_ups(clock, change, caplog):
    """A sign-up's message is sent in the same hour, despite earlier requests; one warning."""
    change(HOURLY_BUDGET=2)
    for _ in range(3):
        waiting()
    ann = queued(UserFactory.create())
    assert send_due() == Tally(sent=2)
    ann.refresh_from_db()
    assert ann.state == DeliveryState.SENT
    assert send_due() == Tally()
    until = "2030-01-01T13:00:00+00:00"
    expected = f"HOURLY_BUDGET: 1 of 2 messages were sent; the rest wait until {until}"
    assert caplog.messages == [expected]
    clock.move(hours=1)
    assert send_due() == Tally(sent=1)
    assert len(caplog.messages) == 2


def test_shares_of_the_budget(clock, change):
    """A fifth is reserved for sign-ups, another for first messages on request."""
    change(HOURLY_BUDGET=10)
    for _ in range(11):
        waiting(sends=1)
    for _ in range(11):
        waiting(sends=2, origin=Origin.RUN)
    for _ in range(11):
        waiting()
    for _ in range(11):
        queued(UserFactory.create())
    assert send_due() == Tally(sent=10, paused=True)
    assert count("sent") == {("REQUEST", 2): 6, ("REQUEST", 1): 2, ("SIGN_UP", 1): 2}
    # Delayed sign-ups come first; the others fill what is left of their shares.
    clock.move(hours=1)
    assert send_due() == Tally(sent=9)
    clock.move(hours=1)
    assert send_due() == Tally(sent=8)


@pytest.mark.parametrize(("limit", "shares"), [(1, (1, 1, 1)), (2, (2, 1, 1)), (20, (20, 16, 12))])
def test_every_share_has_one(limit, shares):
    """Even the smallest budget allows a message of every origin."""
    kinds = [(Origin.SIGN_UP, 0), (Origin.REQUEST, 0), (Origin.REQUEST, 1)]
    assert tuple(limit_for(limit, origin, sends) for origin, sends in kinds) == shares
    assert limit_for(limit, Origin.RUN, 0) == limit
    assert limit_for(limit, Origin.RUN, 1) == limit_for(limit, Origin.SIGN_UP, 1) == shares[2]
