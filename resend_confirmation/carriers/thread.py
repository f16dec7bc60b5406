"""The default carrier: one daemon thread in each web process, which needs no service."""

import os
import random
import threading

from .. import engine

#: Seconds between a wake and the work, drawn anew each time, so that the request after an ask
#: cannot feel the work that the ask caused.
JITTER = (0.2, 1.2)
#: Seconds between looks for rows that became due by themselves, such as repeats.
IDLE = (15.0, 45.0)


class ThreadCarrier:
    """Starts its thread at the first wake after a fork, and never more than one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def wake(self) -> None:
        """Have the thread drain soon; starts it where it does not run."""
        self._woken.set()
        if self._is_running():
            return
        with self._lock:
            if not self._is_running():
                self._pid = os.getpid()
                self._thread = threading.Thread(
                    target=self._run, name="resend-confirmation-courier", daemon=True
                )
                self._thread.start()

    def _is_running(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive() and self._pid == os.getpid()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(random.uniform(*IDLE))  # noqa: S311
            self._woken.clear()
            self._stopping.wait(random.uniform(*JITTER))  # noqa: S311
            engine.drain_all(self._stopping)
