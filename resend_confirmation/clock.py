"""The time of the database's clock, which all processes and machines of a site share."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from django.conf import settings
from django.db import Error, connections, router
from django.utils import timezone

from .models import Delivery

#: Seconds for which one reading of the database's clock is carried on by this machine's uptime.
GOOD_FOR = 30.0

_SQL: Final = {
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    # Not UNIX_TIMESTAMP of a local time, which is ambiguous for an hour a year.
    "mysql": "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6",
}


class Reading(NamedTuple):
    """The database's ``epoch``, read between the uptimes ``before`` and ``after``.

    ``tried`` is the uptime of the newest try to read it again.
    """

    epoch: float
    before: float
    after: float
    tried: float


#: By the database's alias; shared by all threads. A fork may keep its parent's.
_readings: dict[str, Reading] = {}


def now() -> datetime:
    """Return the time in the form of ``django.utils.timezone.now``, but of the database's clock.

    SQLite has no clock, so there it is this machine's. Elsewhere a process reads the database's
    once in half a minute, with one statement. If that fails, the last reading is carried on: a
    message that was sent must be marked.

    Never ahead of the database: a row that is due now is due for every process that looks for it
    by ``latest``.
    """
    reading = _reading()
    if reading is None:
        moment = datetime.now(tz=UTC)
    else:
        moment = datetime.fromtimestamp(reading.epoch + _uptime() - reading.after, tz=UTC)
    return moment if settings.USE_TZ else timezone.make_naive(moment)


def latest() -> datetime:
    """Return the time, never behind the database: later than ``now`` by the reading's duration."""
    moment = now()
    reading = _readings.get(router.db_for_write(Delivery))
    return moment + timedelta(seconds=reading.after - reading.before) if reading else moment


def forget() -> None:
    """Drop all readings, so that the next call reads the database's clock."""
    _readings.clear()


def _uptime() -> float:
    """Seconds that pass while the machine is suspended too, where its clocks count them."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def _reading() -> Reading | None:
    """Return the reading to carry on; None where the database has no clock."""
    connection = connections[router.db_for_write(Delivery)]
    sql = _SQL.get(connection.vendor)
    if sql is None:
        return None
    known = _readings.get(connection.alias)
    before = _uptime()
    if known is not None:
        if before - known.tried <= GOOD_FOR:
            return known
        # First, so that the other threads carry on instead of reading as well.
        _readings[connection.alias] = known._replace(tried=before)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            epoch = float(cursor.fetchone()[0])
    except Error:
        if known is None:
            raise
        return known
    fresh = Reading(epoch, before, _uptime(), before)
    _readings[connection.alias] = fresh
    return fresh
