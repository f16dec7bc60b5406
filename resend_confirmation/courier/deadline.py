"""A hard deadline for work that may block for ever: the only one that a dripping server obeys."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from django.db import connections
from django.views.decorators.debug import sensitive_variables

T = TypeVar("T")


class DeadlineExceeded(Exception):  # noqa: N818 - the field's own word
    """The work did not end in time and was given up.

    ``__cause__`` is what the work raised when it was aborted, which tells how far it had come.
    """


#: Seconds that aborted work gets to end.
GRACE = 1.0


class _Job(threading.Thread, Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(name="resend-confirmation-post", daemon=True)
        self._work = work
        self.result: T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            # A thread's stack begins here, above all that keeps variables out of reports.
            self.result = sensitive_variables()(self._work)()
        except BaseException as error:
            self.error = error
        finally:
            # A mail backend may keep messages in the database; its connection is this thread's.
            connections.close_all()


def within(
    seconds: float,
    work: Callable[[], T],
    *,
    abort: Callable[[], Any],
    beat: Callable[[], Any] = lambda: None,
) -> T:
    """``work()``, given up after ``seconds``.

    It runs in a thread, since time-outs of sockets count each operation anew. ``beat`` is called
    every quarter of the time while it lasts, ``abort`` once when it is over: it closes whatever
    the work waits for. Raises DeadlineExceeded, or what the work raised.
    """
    job = _Job(work)
    job.start()
    for _ in range(4):
        job.join(seconds / 4)
        if not job.is_alive():
            break
        # A beat that fails must not leave the work running alone.
        with suppress(Exception):
            beat()
    if job.is_alive():
        with suppress(Exception):
            abort()
        job.join(GRACE)
        if job.is_alive() or job.error is not None:
            raise DeadlineExceeded from job.error
    if job.error is not None:
        raise job.error
    return job.result  # type: ignore[return-value]
