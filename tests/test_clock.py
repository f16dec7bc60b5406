"""The courier's clock: the database's where it has one, this machine's for SQLite."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from resend_confirmation.courier import clock

pytestmark = pytest.mark.django_db

HAS_CLOCK = connection.vendor != "sqlite"
needs_clock = pytest.mark.skipif(not HAS_CLOCK, reason="this database's clock is the machine's")
LONG_AGO = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture(autouse=True)
def unread(monkeypatch):
    """A clock that was not read before, as in a new thread."""
    clock._reading.__dict__.clear()
    yield
    clock._reading.__dict__.clear()


class Uptime:
    """``time.monotonic`` that goes only when told to."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def uptime(monkeypatch):
    """This process's own clock."""
    made = Uptime()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def test_now():
    """It is the time: servers and tests run on one machine here."""
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert clock.now().utcoffset() == timedelta(0)


def test_whose_clock(monkeypatch):
    """A wrong clock of this machine misleads SQLite, which has no other, and nobody else."""
    monkeypatch.setattr(timezone, "now", lambda: LONG_AGO)
    found = clock.now()
    assert (found == LONG_AGO) is not HAS_CLOCK
    if HAS_CLOCK:
        assert found.year > 2020


def test_goes_on():
    """Two looks, one after the other, are in order."""
    looks = [clock.now() for _ in range(100)]
    assert looks == sorted(looks)


@needs_clock
def test_statements(uptime, django_assert_num_queries):
    """The database is asked once in half a minute; in between this process's clock counts."""
    with django_assert_num_queries(1):
        first = clock.now()
    uptime.seconds += 29.5
    with django_assert_num_queries(0):
        assert clock.now() == first + timedelta(seconds=29.5)
    uptime.seconds += 1
    with django_assert_num_queries(1):
        # Nothing like half a minute has passed for the database.
        assert timedelta(0) <= clock.now() - first < timedelta(seconds=10)


@needs_clock
def test_a_time_zone_of_the_session():
    """The session's time zone moves nothing."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET TIME ZONE 'Asia/Tokyo'")
        else:
            cursor.execute("SET time_zone = '+09:00'")
    try:
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    finally:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET TIME ZONE 'UTC'")
            else:
                cursor.execute("SET time_zone = DEFAULT")


@needs_clock
def test_a_cut_session(uptime, monkeypatch):
    """When the database cannot be asked the last reading is carried on; the first must succeed."""

    def cut():
        raise OperationalError("terminated")

    with monkeypatch.context() as away:
        away.setattr(connection, "cursor", cut)
        with pytest.raises(OperationalError):
            clock.now()
    first = clock.now()
    uptime.seconds += 300
    monkeypatch.setattr(connection, "cursor", cut)
    assert clock.now() == first + timedelta(seconds=300)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_naive(settings, zone):
    """A site without time zones gets the time as it stores it."""
    settings.USE_TZ = False
    settings.TIME_ZONE = zone
    found = clock.now()
    assert found.tzinfo is None
    assert abs(found - timezone.now()) < timedelta(seconds=5)
