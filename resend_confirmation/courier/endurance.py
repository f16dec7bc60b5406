"""Writing down what happened, although the database session may have been cut meanwhile."""

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import TypeVar

from django.db import (
    Error,
    InterfaceError,
    InternalError,
    OperationalError,
    connections,
    router,
)

from ..models import Delivery

T = TypeVar("T")

#: Seconds between tries: the first, and the longest.
PAUSE = 0.05
LONGEST_PAUSE = 2.0


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
            Event().wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
