"""The default carrier: one daemon thread in each web process, without any service."""

import atexit
import logging
import os
import random
import threading
import time

from django.core.checks import CheckMessage

from .. import conf, engine, failures
from ..engine import Tally
from ..engine.loop import BATCH
from ..interruptions import Held
from . import servers

logger = logging.getLogger("resend_confirmation")

#: Seconds between a wake and the work, random each time, so that the timing of the next request
#: does not reveal the work that a request caused.
DELAY = (0.2, 1.2)
#: Seconds between polls of the wake flag. The thread polls instead of waiting for an event,
#: because waking a waiting thread takes time: the time of a request would reveal whether the
#: courier is busy with a message.
TICK = (0.1, 0.3)
#: Seconds between polls for rows that became due without a wake, such as retries.
IDLE = (15.0, 45.0)
#: Share of the time for which the courier computes. A web process has one interpreter lock, and
#: requests would wait for it.
SHARE = 0.25
#: Longest pause between two messages, in seconds; what a batch was decided by gets no older.
LONGEST_PAUSE = 0.1
#: Seconds after the send deadline that an exiting process waits for the row to be updated.
EXIT_SECONDS = 5.0


class ThreadCarrier:
    """Start one thread at the first wake after a fork."""

    def __init__(self) -> None:
        self._begin()
        # A fork copies locks that are held by threads which the child does not have.
        if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
            os.register_at_fork(after_in_child=self._begin)
        atexit.register(self._end)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._is_told = False
        self._woken = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def _end(self) -> None:
        """Finish the message under way; cut off, it would be ambiguous and sent twice."""
        self._stopping.set()
        if self._thread is not None:
            # Signals are held back too.
            with Held():
                self._thread.join(conf.get().SEND_DEADLINE.total_seconds() + EXIT_SECONDS)

    def wake(self) -> None:
        """Make the thread drain soon; start it if necessary."""
        self._woken = True
        if self._is_running():
            return
        with self._lock:
            if not self._is_running():  # pragma: no branch - another thread started it just now
                self._tell()
                self._thread = threading.Thread(
                    target=self._run, name="resend-confirmation-courier", daemon=True
                )
                self._thread.start()

    def check(self) -> list[CheckMessage]:
        """Return a warning if the server does not run threads."""
        return servers.check()

    def _tell(self) -> None:
        if not self._is_told and servers.lacks_threads():
            logger.error(servers.NO_THREADS)
        self._is_told = True

    def _is_running(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

    def _run(self) -> None:
        look_at = 0.0
        while not self._wait(TICK):
            if self._woken or time.monotonic() > look_at:
                self._woken = False
                self._wait(DELAY)
                self._drain()
                look_at = time.monotonic() + random.uniform(*IDLE)  # noqa: S311

    def _drain(self) -> None:
        try:
            engine.drain_all(self._stopping, self._rest, _Pauses(self._stopping).make_way)
        except BaseException:
            # Including SystemExit in the site's code, since nothing would restart the thread.
            failures.report("The courier was asked to stop; it continues")

    def _rest(self, done: Tally) -> None:
        """Pause after a partial batch, so that timing does not reveal the work of a request.

        After a full batch other rows are due first.
        """
        if not done.idle and max(done.resolved, done.processed) < BATCH:
            self._wait(DELAY)

    def _wait(self, seconds: tuple[float, float]) -> bool:
        """Wait for a random time between the two; return whether the thread must end."""
        return self._stopping.wait(random.uniform(*seconds))  # noqa: S311


class _Pauses:
    """Pauses of one drain, in proportion to the processor time of its thread."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._since = time.thread_time()

    def make_way(self) -> None:
        used = time.thread_time() - self._since
        self._stopping.wait(min(used / SHARE - used, LONGEST_PAUSE))
        self._since = time.thread_time()
