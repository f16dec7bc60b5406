"""The queue as a whole: it rests while the settings do not work, and keeps to the hourly budget."""

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


# Settings that do not work


def wrong_password():
    return smtplib.SMTPAuthenticationError(535, b"5.7.8 bad credentials")


def test_the_queue_rests(clock, script, caplog):
    """After a refused log-in nothing is tried for a minute, by any courier."""
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


def test_no_attempt_is_burnt(pending, clock, script):
    """However long the settings are wrong, the message has all of its attempts left."""
    queued(pending)
    script.extend([wrong_password() for _ in range(20)])
    for _ in range(20):
        assert send_due() == Tally(unsent=1, paused=True)
        assert column("attempts") == [0]
        clock.move(minutes=1)
    assert send_due() == Tally(sent=1)
    assert column("attempts") == [1]


def test_staff_see_why(pending, clock, script):
    """The row that found the settings wrong shows that, and the end of the pause."""
    delivery = queued(pending)
    script.append(wrong_password())
    send_due()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.CONFIGURATION)
    assert (delivery.error_class, delivery.error_code) == ("SMTPAuthenticationError", "535")
    assert delivery.not_before == clock.now + timedelta(minutes=1)
    assert pause.paused_by() == delivery


def test_resumes(clock, script):
    """Once the settings work, all that waited goes out, and the row forgets the trouble."""
    for _ in range(3):
        queued(UserFactory.create())
    script.append(wrong_password())
    send_due()
    clock.move(minutes=1)
    assert pause.paused_by() is None
    assert send_due() == Tally(sent=3)
    assert column("reason") == [Reason.NONE] * 3
    assert column("error_class") == [""] * 3


def test_the_last_to_rest(clock, script):
    """Of several rows that found the settings wrong, the one with the longest pause is shown."""
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
    """A backend that cannot be imported rests the queue, until it can be."""
    through(settings, "nowhere.EmailBackend")
    queued(pending)
    assert send_due() == Tally(unsent=1, paused=True)
    assert column("reason") == [Reason.CONFIGURATION]
    assert column("attempts") == [0]
    through(settings, "django.core.mail.backends.locmem.EmailBackend")
    clock.move(minutes=1)
    assert send_due() == Tally(sent=1)


def test_the_life_of_the_link_begins_when_the_settings_work(pending, clock, settings):
    """After a pause of two days, the message still has a valid link."""
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
    """Two messages an hour."""
    change(HOURLY_BUDGET=2)


def test_within_the_budget(clock, change):
    """Without a budget, which is the default, everything goes out."""
    for _ in range(5):
        queued(UserFactory.create())
    assert send_due() == Tally(sent=5)


def test_over_the_budget(clock, budget):
    """Beyond the budget messages are delayed by a minute each time, and no attempt is burnt."""
    for _ in range(3):
        queued(UserFactory.create())
    assert send_due() == Tally(sent=2, paused=True)
    last = Delivery.objects.latest("pk")
    assert (last.state, last.reason) == (DeliveryState.QUEUED, Reason.NONE)
    assert (last.attempts, last.error_class) == (0, "HourlyBudget")
    assert last.not_before == clock.now + timedelta(minutes=1)
    assert len(mail.outbox) == 2


def test_delayed_and_not_dropped(clock, budget):
    """Of seven messages and two an hour the last goes out in the fourth hour, with a live link."""
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
    """An hour after the first message of the last budget there is a new one."""
    for _ in range(3):
        queued(UserFactory.create())
    send_due()
    clock.move(minutes=59)
    assert send_due() == Tally(paused=True)
    clock.move(minutes=1)
    assert send_due() == Tally(sent=1)


def test_skipped_delivery_costs_no_budget(clock, budget):
    """A delivery that is skipped takes nothing out of the budget."""
    skipped = queued(UserFactory.create())
    Confirmation.objects.filter(pk=skipped.confirmation_id).update(state="confirmed")
    for _ in range(2):
        queued(UserFactory.create())
    assert send_due() == Tally(sent=2, skipped=1)


def waiting(sends=0, **given):
    """A delivery for an account that was written to so often, created by a request."""
    user = UserFactory.create()
    start(user, send=False)
    Confirmation.objects.filter(account=user).update(sends=sends)
    account = store().get(user.pk, address_of(user.email))
    assert account is not None
    engine.send_to(account, **given)


def count(name):
    """Return how many messages of an hour were sent with a budget of so many, by origin."""
    rows = Delivery.objects.filter(state=name).values_list("origin", "confirmation__sends")
    return Counter((Origin(origin).name, sends) for origin, sends in rows)


def test_strangers_keep_no_sign_up_waiting(clock, change, caplog):
    """However many ask before it, a sign-up's message goes out in this hour; one warning."""
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
    # Sign-ups were put off for a minute and come first; of the others each share has its rest.
    clock.move(hours=1)
    assert send_due() == Tally(sent=9)
    clock.move(hours=1)
    assert send_due() == Tally(sent=8)


@pytest.mark.parametrize(("limit", "shares"), [(1, (1, 1, 1)), (2, (2, 1, 1)), (20, (20, 16, 12))])
def test_every_share_has_one(limit, shares):
    """The smallest budget still has a message for every origin."""
    kinds = [(Origin.SIGN_UP, 0), (Origin.REQUEST, 0), (Origin.REQUEST, 1)]
    assert tuple(limit_for(limit, origin, sends) for origin, sends in kinds) == shares
    assert limit_for(limit, Origin.RUN, 0) == limit
    assert limit_for(limit, Origin.RUN, 1) == limit_for(limit, Origin.SIGN_UP, 1) == shares[2]
