"""Hard wall-clock deadline for work that may block for ever.

Socket time-outs do not limit the whole of a call: a server can answer byte by byte.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
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
ABORT_SECONDS = 1.0
#: Number of parts that the time is divided into, with a heartbeat after each.
HEARTBEATS = 4


class _Job(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.done = threading.Event()
        self.result: T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            # The thread's stack begins here, so the caller's ``sensitive_variables`` do not apply.
            self.result = sensitive_variables()(self._work)()
        except BaseException as error:
            self.error = error
        # The work may use the database. Its connection belongs to this thread.
        with suppress(Exception):
            connections.close_all()


class _Worker(threading.Thread):
    """A thread that runs jobs in turn. It is reused, because caches keep connections per thread."""

    def __init__(self) -> None:
        super().__init__(name="resend-confirmation-deadline", daemon=True)
        self.jobs: SimpleQueue[_Job[Any]] = SimpleQueue()

    def run(self) -> None:
        while True:
            self._run(self.jobs.get())

    def _run(self, job: _Job[Any]) -> None:
        job.run()
        # Free the worker before the caller continues, since the next call may come at once.
        _idle.append(self)
        job.done.set()


#: Workers without a job. A new one is started only if all others are busy; one that hangs is not
#: here.
_idle: deque[_Worker] = deque()
# Threads do not survive a fork.
os.register_at_fork(after_in_child=_idle.clear)


def run_with_timeout(
    seconds: float,
    work: Callable[[], T],
    *,
    abort: Callable[[], Any] | None = None,
    heartbeat: Callable[[], Any] = lambda: None,
) -> T:
    """Return ``work()``, or give it up after ``seconds``.

    It runs in a pooled thread. ``heartbeat`` is called after each quarter of the time while the
    work lasts. If the time is over, ``abort`` is called once and must close what the work waits
    for; without it, the work goes on in its thread, and the result is lost. Raise DeadlineExceeded,
    NotStarted, JobEnded, or the exception that the work raised. An exception raised in the calling
    thread during the wait, for example by a signal handler, is held back until the work has ended
    or was given up.
    """
    job = _start(work)
    outside = _wait(job, seconds, heartbeat)
    is_late = not job.done.is_set()
    if is_late and abort:
        with suppress(Exception):
            abort()
        outside += _join(job, ABORT_SECONDS)
    for each in outside:
        if not interruptions.keep(each):
            raise each
    if is_late and (not job.done.is_set() or job.error is not None):
        raise DeadlineExceeded from job.error
    if job.error is not None:
        if isinstance(job.error, Exception):
            raise job.error
        raise JobEnded from job.error
    return job.result  # type: ignore[return-value]


def _start(work: Callable[[], T]) -> _Job[T]:
    try:
        worker = _idle.pop()
    except IndexError:
        worker = _Worker()
        try:
            worker.start()
        except RuntimeError as error:
            raise NotStarted from error
    job = _Job(work)
    worker.jobs.put(job)
    return job


def _wait(job: _Job[Any], seconds: float, heartbeat: Callable[[], Any]) -> list[BaseException]:
    """Wait for ``job``, with heartbeats.

    Return the exceptions raised in this thread during the wait.
    """
    outside: list[BaseException] = []
    for _ in range(HEARTBEATS):
        outside += _join(job, seconds / HEARTBEATS)
        if job.done.is_set():
            break
        try:
            # A failed heartbeat must not end the wait while the work still runs.
            with suppress(Exception):
                heartbeat()
        except BaseException as error:
            outside.append(error)
    return outside


def _join(job: _Job[Any], seconds: float) -> list[BaseException]:
    until, outside = time.monotonic() + seconds, []
    while not job.done.is_set() and (left := until - time.monotonic()) > 0:
        try:
            job.done.wait(left)
        except BaseException as error:
            outside.append(error)
    return outside
