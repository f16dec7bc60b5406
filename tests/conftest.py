"""Fixtures for every test, and the rule that a service which is absent skips, or in CI fails."""

import os

import pytest
from django.core.cache import cache

from resend_confirmation.engine import backlog

from .factories import PendingFactory, UserFactory


@pytest.fixture(autouse=True)
def fresh_process_state():
    """Counters that live as long as a process start anew for each test."""
    cache.clear()
    backlog.reset()


@pytest.fixture
def pending(db):
    """pending@example.com, who waits."""
    return PendingFactory(username="pending", email="pending@example.com")


@pytest.fixture
def confirmed(db):
    """confirmed@example.com, whom nobody asks any more."""
    return UserFactory(username="confirmed", email="confirmed@example.com")


@pytest.fixture
def blocked(db):
    """blocked@example.com, deactivated by staff while pending."""
    user = PendingFactory(username="blocked", email="blocked@example.com")
    user.is_active = False
    user.save()
    return user


def unavailable(reason: str) -> None:
    """Skip for a reason; where REQUIRE_SERVICES is set the reason is a failure."""
    if os.environ.get("REQUIRE_SERVICES"):
        pytest.fail(reason)
    pytest.skip(reason)
