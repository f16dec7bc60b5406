"""Hard wall-clock deadline for work that may block for ever.

Socket time-outs do not limit the whole of a send: a server can answer byte by byte.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from django.db import connections
from django.views.decorators.debug import sensitive_variables

from . import interruptions

T = TypeVar("T")


class DeadlineExceeded(Exception):  # noqa: N818 - the field's own word
    """Work that did not end in time and was given up."""


class NotStarted(Exception):  # noqa: N818
    """Failure to start a thread for the work."""


class JobEnded(Exception):  # noqa: N818
    """Wrapper of an exception such as SystemExit that the work raised, which is the cause."""


#: Seconds that aborted work gets to end.
GRACE = 1.0
#: Number of parts that the time is divided into, with a heartbeat after each.
BEATS = 4


class _Job(threading.Thread, Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(name="resend-confirmation-post", daemon=True)
        self._work = work
        self.result: T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            # The thread's stack begins here, so the caller's ``sensitive_variables`` do not apply.
            self.result = sensitive_variables()(self._work)()
        except BaseException as error:
            self.error = error
        finally:
            # A mail backend may use the database. Its connection belongs to this thread.
            connections.close_all()


def within(
    seconds: float,
    work: Callable[[], T],
    *,
    abort: Callable[[], Any],
    beat: Callable[[], Any] = lambda: None,
) -> T:
    """Return ``work()``, or give it up after ``seconds``.

    It runs in a thread, since socket time-outs apply to each operation separately. ``beat`` is
    called after each quarter of the time while the work lasts. ``abort`` is called once if the time
    is over; it must close what the work waits for. Raise DeadlineExceeded, NotStarted, JobEnded, or
    the exception that the work raised. An exception raised in the calling thread during the wait,
    for example by a signal handler, is held back until the work has ended or was given up.
    """
    job = _Job(work)
    try:
        job.start()
    except RuntimeError as error:
        raise NotStarted from error
    outside = _wait(job, seconds, beat)
    is_late = job.is_alive()
    if is_late:
        with suppress(Exception):
            abort()
        outside += _join(job, GRACE)
    for each in outside:
        if not interruptions.keep(each):
            raise each
    if is_late and (job.is_alive() or job.error is not None):
        raise DeadlineExceeded from job.error
    if job.error is not None:
        if isinstance(job.error, Exception):
            raise job.error
        raise JobEnded from job.error
    return job.result  # type: ignore[return-value]


def _wait(job: threading.Thread, seconds: float, beat: Callable[[], Any]) -> list[BaseException]:
    """Wait for ``job``, with heartbeats.

    Return the exceptions raised in this thread during the wait.
    """
    outside: list[BaseException] = []
    for _ in range(BEATS):
        outside += _join(job, seconds / BEATS)
        if not job.is_alive():
            break
        try:
            # A failed heartbeat must not end the wait while the work still runs.
            with suppress(Exception):
                beat()
        except BaseException as error:
            outside.append(error)
    return outside


def _join(job: threading.Thread, seconds: float) -> list[BaseException]:
    until, outside = time.monotonic() + seconds, []
    while job.is_alive() and (left := until - time.monotonic()) > 0:
        try:
            job.join(left)
        except BaseException as error:
            outside.append(error)
    return outside
