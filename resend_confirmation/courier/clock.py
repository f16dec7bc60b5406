"""The database's clock, by which all couriers agree on what is due and whose lease has ended."""

import threading
import time
from datetime import UTC, datetime
from typing import Final

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections, router
from django.utils import timezone

from ..models import Delivery

#: Seconds for which one reading of the database's clock is carried on by this process's own.
GOOD_FOR = 30.0

_SQL: Final = {
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    # Not UNIX_TIMESTAMP of a local time, which is ambiguous for an hour a year.
    "mysql": "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6",
}

_reading = threading.local()


def now() -> datetime:
    """The time, as ``django.utils.timezone.now`` gives it, but of the database where it has one.

    SQLite's clock is this machine's. Costs a statement every half minute for each thread. Where
    the session was cut the last reading is carried on: what was sent must be written down.
    """
    connection = connections[router.db_for_write(Delivery)]
    sql = _SQL.get(connection.vendor)
    if sql is None:
        return timezone.now()
    read_at, epoch = getattr(_reading, connection.alias, (None, 0.0))
    if read_at is None or time.monotonic() - read_at > GOOD_FOR:
        try:
            with connection.cursor() as cursor:
                # Before the statement: behind by a round trip, it would find a new row not yet due.
                asked_at = time.monotonic()
                cursor.execute(sql)
                epoch = float(cursor.fetchone()[0])
        except (OperationalError, InterfaceError):
            if read_at is None:
                raise
        else:
            read_at = asked_at
            setattr(_reading, connection.alias, (read_at, epoch))
    moment = datetime.fromtimestamp(epoch + time.monotonic() - read_at, tz=UTC)
    return moment if settings.USE_TZ else timezone.make_naive(moment)
