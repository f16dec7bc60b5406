"""A hard deadline for work that may block for ever: the only one that a dripping server obeys."""

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
    """The work did not end in time and was given up."""


class NotStarted(Exception):  # noqa: N818
    """There was no thread for the work."""


class JobEnded(Exception):  # noqa: N818
    """The work raised what would end a thread or a process, such as SystemExit: the cause."""


#: Seconds that aborted work gets to end.
GRACE = 1.0
#: Parts of the time, with a beat after each.
BEATS = 4


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
    the work waits for. Raises DeadlineExceeded, NotStarted, JobEnded, or what the work raised.
    What is raised from outside meanwhile waits until the work has ended.
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
    """Wait for the end of ``job``, with beats; return what was raised from outside over it."""
    outside: list[BaseException] = []
    for _ in range(BEATS):
        outside += _join(job, seconds / BEATS)
        if not job.is_alive():
            break
        try:
            # A beat that fails must not leave the work running alone.
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
