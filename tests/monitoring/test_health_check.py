"""The check for django-health-check, through its view."""

import pytest
from django.test import Client

from resend_confirmation import engine
from tests.factories import PendingFactory, queued

# The checks run in threads, with database connections of their own.
pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

NAME = "Outbox(due_for=datetime.timedelta(seconds=300))"


def health():
    answer = Client().get("/health/", headers={"Accept": "application/json"})
    return answer.status_code, answer.json()[NAME]


def test_empty():
    """A site without messages is healthy."""
    assert health() == (200, "OK")


def test_due(clock):
    """A message that is due for more than five minutes is reported."""
    queued(PendingFactory.create())
    clock.move(minutes=5)
    assert health() == (200, "OK")
    clock.move(seconds=1)
    assert health() == (500, "Unavailable: No courier is running, or there are too few.")


def test_pause(clock, change):
    """A pause is reported, with its reason and its end."""
    change(HOURLY_BUDGET=1)
    for _ in range(2):
        queued(PendingFactory.create())
    engine.drain()
    assert health() == (
        500,
        "Warning: Sending is paused until 2030-01-01T13:00:00+00:00: the hourly budget is used up.",
    )
