"""Threads that wait in a request's stead, so that it need not wait longer than it wants to."""

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


class _Hand(threading.Thread):
    """Does one job after the other. Kept, since a cache's connections are their thread's own."""

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
            # Free before its caller goes on, who may come back at once.
            _free.append(self)
            job.done.set()


#: As many as ever worked at the same time; one that hangs is not among them.
_free: deque[_Hand] = deque()
# Threads do not survive a fork.
os.register_at_fork(after_in_child=_free.clear)


def within(seconds: float, work: Callable[[], T]) -> T:
    """``work()``, done by another thread; TimeoutError when it lasts longer than ``seconds``.

    It goes on then, and what it does is lost. Raises what ``work`` raises.
    """
    try:
        hand = _free.pop()
    except IndexError:
        hand = _Hand()
        hand.start()
    job = _Job(work)
    hand.jobs.put(job)
    if not job.done.wait(seconds):
        raise TimeoutError
    if job.error is not None:
        raise job.error
    result: T = job.result
    return result
