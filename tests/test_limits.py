"""The limits of one address, row by row: cooldown, hourly budget and suppression."""

from datetime import UTC, datetime, timedelta

import pytest

from resend_confirmation.limits import budget, cooldown, suppression
from resend_confirmation.limits.budget import Budget
from resend_confirmation.models import Cooldown, Suppression
from resend_confirmation.outcomes import Origin

from .factories import address_of

pytestmark = [pytest.mark.database, pytest.mark.django_db]

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
ANN = address_of("ann@example.com")


def test_the_last_limit_counts():
    """A slot is free once the hour is over, even if the day ends before it."""
    row = Cooldown(
        last_at=NOON - timedelta(minutes=10),
        hour_from=NOON - timedelta(minutes=10),
        hour_count=5,
        day_from=NOON - timedelta(hours=23, minutes=50),
        day_count=12,
    )
    assert cooldown.seconds_left(row, NOON) == 50 * 60


def test_a_first_row_of_another_request(change, monkeypatch):
    """Without a gap, a request that was too late for the first slot takes the second."""
    change(COOLDOWN=["2/h"])
    insert = cooldown.insert

    def be_late(key, now):
        insert(key, now)
        return False

    monkeypatch.setattr(cooldown, "insert", be_late)
    assert cooldown.take(ANN.canonical) == 0
    assert Cooldown.objects.get().hour_count == 2


def test_a_first_row_that_was_rolled_back(monkeypatch):
    """A request that was too late for a slot which is gone again has to wait for a second."""
    monkeypatch.setattr(cooldown, "insert", lambda key, now: False)
    assert cooldown.take(ANN.canonical) == 1


def test_a_unit_of_an_earlier_hour(clock):
    """A unit of an hour that is over is not given to the hour that runs."""
    cooldown.take(ANN.canonical)
    clock.move(minutes=61)
    cooldown.take(ANN.canonical)
    cooldown.release_unit(ANN, NOON)
    assert Cooldown.objects.get().hour_count == 1


def test_no_unit_is_left(clock):
    """No more units are released than were taken."""
    cooldown.take(ANN.canonical)
    for _ in range(2):
        cooldown.release_unit(ANN, NOON)
    assert cooldown.release(ANN, NOON) is False
    assert Cooldown.objects.get().hour_count == 0


def test_the_end_of_the_hour(clock, change):
    """An hour after its first message the budget is whole again."""
    change(HOURLY_BUDGET=5)
    assert budget.take(Origin.SIGN_UP, 0) is None
    assert budget.current() == Budget(5, 1, NOON + timedelta(hours=1))
    clock.move(hours=1)
    assert budget.current() == Budget(5)


def test_suppressed_twice(clock):
    """The first suppression of an address is kept."""
    for why in (Suppression.Why.BOUNCED, Suppression.Why.COMPLAINED):
        suppression.suppress(ANN, why)
        clock.move(days=1)
    assert Suppression.objects.values_list("why", "since").get() == ("bounced", NOON)


def test_suppressed_under_two_keys(clock, settings):
    """Of suppressions under the old and the new key, the older one has the time."""
    suppression.suppress(ANN, Suppression.Why.BOUNCED)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    clock.move(days=1)
    suppression.suppress(ANN, Suppression.Why.BOUNCED)
    assert Suppression.objects.count() == 2
    assert suppression.since(ANN) == NOON
