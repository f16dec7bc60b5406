"""Blocking calls in pooled threads, with a time-out."""

import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class _Job:
    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.done = threading.Event()
        self.result: Any = None
        self.error: Exception | None = None


class _Worker(threading.Thread):
    """A thread that runs jobs in turn. It is reused, because caches keep connections per thread."""

    def __init__(self) -> None:
        super().__init__(name="resend-confirmation-throttle", daemon=True)
        self.jobs: SimpleQueue[_Job] = SimpleQueue()

    def run(self) -> None:
        while True:
            job = self.jobs.get()
            try:
                job.result = job.work()
            except Exception as error:
                job.error = error
            # Free the worker before the caller continues, since the next call may come at once.
            _free.append(self)
            job.done.set()


#: Idle workers. A new one is started only if all others are busy; one that hangs is not here.
_free: deque[_Worker] = deque()
# Threads do not survive a fork.
os.register_at_fork(after_in_child=_free.clear)


def run_with_timeout(seconds: float, work: Callable[[], T]) -> T:
    """Call ``work`` in another thread; raise TimeoutError if it takes longer than ``seconds``.

    After a time-out, the call continues and its result is lost. Exceptions of ``work`` are raised
    in the calling thread.
    """
    try:
        worker = _free.pop()
    except IndexError:
        worker = _Worker()
        worker.start()
    job = _Job(work)
    worker.jobs.put(job)
    if not job.done.wait(seconds):
        raise TimeoutError
    if job.error is not None:
        raise job.error
    result: T = job.result
    return result
