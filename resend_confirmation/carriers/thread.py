"""The default carrier: one daemon thread in each web process, which needs no service."""

import atexit
import logging
import os
import random
import threading
import time

from django.core.checks import CheckMessage

from .. import conf, engine, failures
from ..courier.interruptions import Held
from ..engine.draining import BATCH, Tally
from . import servers

logger = logging.getLogger("resend_confirmation")

#: Seconds between a wake and the work, drawn anew each time, so that the request after an ask
#: cannot feel the work that the ask caused.
JITTER = (0.2, 1.2)
#: Seconds between the thread's looks whether it was woken. Nothing waits for a wake itself: to
#: start a thread that waits takes time, so that a request could feel whether the courier is busy
#: with a message, or idle because nobody was written to.
TICK = (0.1, 0.3)
#: Seconds between looks for rows that became due by themselves, such as repeats.
IDLE = (15.0, 45.0)
#: Seconds beyond the deadline of a send that a process waits at its end for the mark.
GRACE = 5.0


class ThreadCarrier:
    """Starts its thread at the first wake after a fork, and never more than one."""

    def __init__(self) -> None:
        self._begin()
        # Locks are copied as they stand, held by threads that the child does not have.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)
        atexit.register(self._end)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._is_told = False
        self._woken = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def _end(self) -> None:
        """Finish the message under way: cut off it would be in doubt, and go out twice."""
        self._stopping.set()
        if self._thread is not None:
            # A signal waits as well.
            with Held():
                self._thread.join(conf.get().SEND_DEADLINE.total_seconds() + GRACE)

    def wake(self) -> None:
        """Have the thread drain soon; starts it where it does not run."""
        self._woken = True
        if self._is_running():
            return
        with self._lock:
            if not self._is_running():
                self._tell()
                self._thread = threading.Thread(
                    target=self._run, name="resend-confirmation-courier", daemon=True
                )
                self._thread.start()

    def check(self) -> list[CheckMessage]:
        """Return a warning where the server does not run threads."""
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
                self._wait(JITTER)
                self._drain()
                look_at = time.monotonic() + random.uniform(*IDLE)  # noqa: S311

    def _drain(self) -> None:
        try:
            engine.drain_all(self._stopping, self._rest)
        except BaseException:
            # Such as a SystemExit of the site's own code: nothing would start the thread again.
            failures.report("The courier was asked to stop; it continues")

    def _rest(self, done: Tally) -> None:
        """After a small round wait as before the first one: an ask that came meanwhile has to.

        After a full one others are due before it.
        """
        if not done.idle and max(done.resolved, done.carried) < BATCH:
            self._wait(JITTER)

    def _wait(self, seconds: tuple[float, float]) -> bool:
        """Wait for a random time between two; whether the thread is to end."""
        return self._stopping.wait(random.uniform(*seconds))  # noqa: S311
