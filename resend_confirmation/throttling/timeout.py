"""Run a blocking call in another thread, so that a request waits for a limited time."""

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
    """Runs jobs in turn. It is kept, because a cache has its connections per thread."""

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
            # Free the worker before its caller continues: the caller may come back at once.
            _free.append(self)
            job.done.set()


#: Idle workers. There are as many as were ever busy at once; one that hangs is not here.
_free: deque[_Worker] = deque()
# Threads do not survive a fork.
os.register_at_fork(after_in_child=_free.clear)


def run_with_timeout(seconds: float, work: Callable[[], T]) -> T:
    """Call ``work`` in another thread; raise TimeoutError when it lasts longer than ``seconds``.

    The call then continues and its result is lost. Exceptions of ``work`` are raised here.
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
