"""Fixtures for every test, and the rule that a service which is absent skips, or in CI fails."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from resend_confirmation.engine import backlog

from .factories import PendingFactory, UserFactory
from .mailers import ScriptedBackend, through


@pytest.fixture(autouse=True)
def fresh_process_state():
    """Counters that live as long as a process start anew for each test."""
    cache.clear()
    backlog.reset()


@pytest.fixture
def pending(db):
    """pending@example.com, who waits."""
    return PendingFactory.create(username="pending", email="pending@example.com")


@pytest.fixture
def confirmed(db):
    """confirmed@example.com, whom nobody asks any more."""
    return UserFactory.create(username="confirmed", email="confirmed@example.com")


@pytest.fixture
def blocked(db):
    """blocked@example.com, deactivated by staff while pending."""
    user = PendingFactory.create(username="blocked", email="blocked@example.com")
    user.is_active = False
    user.save()
    return user


class Clock:
    """The time that the package sees, which stands still until it is moved."""

    def __init__(self):
        self.now = datetime(2030, 1, 1, 12, tzinfo=UTC)

    def __call__(self):
        return self.now

    def move(self, **by):
        """Go on by days, hours, minutes or seconds."""
        self.now += timedelta(**by)


@pytest.fixture
def clock(monkeypatch):
    """Noon of 1 January 2030, until it is moved."""
    made = Clock()
    monkeypatch.setattr(timezone, "now", made)
    # The courier's clock is the database's, where that has one.
    monkeypatch.setattr("resend_confirmation.courier.clock.now", made)
    return made


@pytest.fixture
def script(settings):
    """What the mail backend raises, call by call; None is success."""
    through(settings, "tests.mailers.ScriptedBackend")
    ScriptedBackend.script.clear()
    ScriptedBackend.seen.clear()
    return ScriptedBackend.script


@pytest.fixture
def change(settings):
    """Change some of our settings and keep the others."""

    def put(**given):
        settings.RESEND_CONFIRMATION = settings.RESEND_CONFIRMATION | given

    return put


def unavailable(reason: str) -> None:
    """Skip for a reason; where REQUIRE_SERVICES is set the reason is a failure."""
    if os.environ.get("REQUIRE_SERVICES"):
        pytest.fail(reason)
    pytest.skip(reason)
