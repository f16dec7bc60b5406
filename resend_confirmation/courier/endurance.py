"""Writing down what happened, although the database session may have been cut meanwhile."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from threading import Event
from typing import TypeVar

from django.db import (
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    close_old_connections,
    connections,
    router,
)

from ..models import Delivery

T = TypeVar("T")

#: Seconds between tries: the first, and the longest.
PAUSE = 0.05
LONGEST_PAUSE = 2.0
#: The shortest and the longest wait of a row for a server that is away.
SOON, LATE = timedelta(seconds=30), timedelta(minutes=30)


#: Errors of the connection or the server, where a new session may help. PostgreSQL's read-only
#: sessions are an InternalError.
OF_THE_SERVER = (OperationalError, InterfaceError, InternalError)


def persist(
    work: Callable[[], T], until: float, errors: tuple[type[Error], ...] = OF_THE_SERVER
) -> T:
    """``work()``, tried again on a new database connection while it raises one of ``errors``.

    ``until`` is of ``time.monotonic()``: past it the last error is raised. ``work`` must be safe
    to repeat, since a session may be cut after its statement was carried out.
    """
    pause = PAUSE
    while True:
        try:
            return work()
        except errors:
            connection = connections[router.db_for_write(Delivery)]
            if connection.in_atomic_block or time.monotonic() + pause > until:
                raise
            with suppress(Error):
                connection.close()
                # The account store's session, if it has another.
                close_old_connections()
            Event().wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def is_of_the_site(error: BaseException) -> bool:
    """Return whether a server, a connection or a table is away: not the fault of the row."""
    if isinstance(error, DataError | IntegrityError):
        return False
    return isinstance(error, Error | OSError)


def wait_for_the_site(age: timedelta) -> timedelta:
    """Return how long a row of this age waits for the site to be mended: longer each time."""
    return min(max(SOON, age / 4), LATE)
