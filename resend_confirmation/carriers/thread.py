"""The default carrier: one daemon thread in each web process, which needs no service."""

import logging
import os
import random
import threading

from django.db import close_old_connections, connections

from .. import engine

logger = logging.getLogger("resend_confirmation")

#: Seconds between a wake and the work, drawn anew each time, so that the request after an ask
#: cannot feel the work that the ask caused.
JITTER = (0.2, 1.2)
#: Seconds between looks for rows that became due by themselves, such as repeats.
IDLE = (15.0, 45.0)
BATCH = 100


class ThreadCarrier:
    """Starts its thread at the first wake after a fork, and never more than one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def wake(self) -> None:
        """Have the thread drain soon; starts it where it does not run."""
        self._woken.set()
        thread = self._thread
        if thread is not None and thread.is_alive() and self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid() or self._thread is None or not self._thread.is_alive():
                self._pid = os.getpid()
                self._thread = threading.Thread(
                    target=self._run, name="resend-confirmation-courier", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._woken.wait(random.uniform(*IDLE))  # noqa: S311 - jitter
            self._woken.clear()
            threading.Event().wait(random.uniform(*JITTER))  # noqa: S311 - jitter
            self._drain()

    def _drain(self) -> None:
        close_old_connections()
        try:
            while not engine.drain(BATCH).idle:
                pass
        except Exception:
            logger.exception("The courier's thread could not drain; it tries again")
        finally:
            connections.close_all()
