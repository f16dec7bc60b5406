"""The carrier over Celery: a wake publishes a task, in a thread: no request waits for a broker."""

import logging
import threading
from threading import Event
from typing import Any

from celery import shared_task

from .. import conf, engine

logger = logging.getLogger("resend_confirmation")


@shared_task(name="resend_confirmation.drain", ignore_result=True, acks_late=True)  # type: ignore[untyped-decorator]
def drain() -> None:
    """Drain until nothing is due; the rows are the truth, so that it may run twice or never."""
    engine.drain_all(Event())


class CeleryCarrier:
    """Publishes in a thread of its own: one publication stands for all wakes before it.

    A dead broker costs time only: the rows stay due, and the next task, a periodic one or
    ``manage.py resend_confirmation drain`` carries them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Have the task published soon."""
        with self._lock:
            self._wanted = True
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._publish, name="resend-confirmation-waker", daemon=True
                )
                self._thread.start()

    def _publish(self) -> None:
        while self._take():
            options: dict[str, Any] = {"retry": False}
            if queue := conf.get().CELERY_QUEUE:
                options["queue"] = queue
            try:
                drain.apply_async(**options)
            except Exception as error:
                logger.warning("The broker could not be told (%s)", type(error).__name__)

    def _take(self) -> bool:
        with self._lock:
            wanted, self._wanted = self._wanted, False
            if not wanted:
                self._thread = None
            return wanted
