"""The carrier over Celery: a wake publishes a task, in a thread: no request waits for a broker."""

import atexit
import logging
import os
import threading
import time
from threading import Event
from typing import Any

from celery import _state, shared_task
from django.core import checks
from django.core.checks import CheckMessage

from .. import engine
from . import servers

logger = logging.getLogger("resend_confirmation")

#: Seconds that the broker gets for each operation of a socket, where the site says nothing else.
PATIENCE = 3.0
#: The same under the names that the transports have for it; each ignores the others' names.
TIMEOUTS = dict.fromkeys(
    ("socket_connect_timeout", "socket_timeout", "read_timeout", "write_timeout"), PATIENCE
)
#: Seconds between a publication that failed and the next.
REST = 3.0
#: Seconds after which a publication that has not ended is given up at the next wake.
LONGEST = 10.0

NO_BROKER = (
    'CARRIER is "celery", and the Celery application of this process has no broker: '
    "tasks go to the default one of Celery, where nothing may work"
)


@shared_task(name="resend_confirmation.drain", ignore_result=True, acks_late=True)  # type: ignore[untyped-decorator]
def drain() -> None:
    """Drain until nothing is due; the rows are the truth, so that it may run twice or never."""
    engine.drain_all(Event())


def application() -> Any:
    """Return the site's Celery application.

    Celery has a current one for each thread: elsewhere than in the thread that loaded the site's
    it is one of Celery's own, without a broker. Then the only one that has a broker is the site's.
    """
    current = drain.app
    if not has_broker(current):
        others = [app for app in _state._get_active_apps() if has_broker(app)]
        if len(others) == 1:
            return others[0]
    return current


def has_broker(app: Any) -> bool:
    """Return whether ``app`` was told of a broker."""
    return bool(app.conf.broker_url or app.conf.broker_write_url)


def publish(queue: str | None = None) -> None:
    """Publish the task to a queue, by default Celery's own.

    On a separate connection, since one that went silent must not be used again.
    """
    app = application()
    options: dict[str, Any] = {"retry": False}
    if queue:
        options["queue"] = queue
    timeouts = {**TIMEOUTS, **(app.conf.broker_transport_options or {})}
    with app.connection_for_write(transport_options=timeouts) as connection:
        app.tasks[drain.name].apply_async(connection=connection, **options)


class CeleryCarrier:
    """Publish in a separate thread: one publication stands for all wakes before it.

    While the broker does not answer, the publication is tried again, and the log has one line.
    The rows stay due: the next task, a periodic one or ``manage.py resend_confirmation drain``
    carries them.
    """

    def __init__(self, queue: str | None = None) -> None:
        self._queue = queue
        self._begin()
        # Locks are copied as they stand, held by threads that the child does not have.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)
        atexit.register(self._end)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._wanted = False
        self._is_told = False
        self._failed = False
        self._since = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def _end(self) -> None:
        """Give a publication under way its time: a command ends right after its commit."""
        self._stopping.set()
        if (thread := self._thread) is not None:
            thread.join(PATIENCE)

    def wake(self) -> None:
        """Have the task published soon."""
        with self._lock:
            self._wanted = True
            if self._thread is not None and self._thread.is_alive():
                if time.monotonic() - self._since < LONGEST:
                    return
                self._warn("no answer")
            self._since = time.monotonic()
            self._tell()
            self._thread = threading.Thread(
                target=self._run, name="resend-confirmation-waker", daemon=True
            )
            self._thread.start()

    def check(self) -> list[CheckMessage]:
        """Return warnings where there is no broker, or the server does not run threads."""
        if has_broker(application()):
            return servers.check()
        hint = (
            "Load the site's Celery application in each process, in the __init__.py of the "
            "settings' package, and set its broker: docs/how-to/carriers.md has the lines."
        )
        return [
            checks.Warning(NO_BROKER, hint=hint, id="resend_confirmation.W035"),
            *servers.check(),
        ]

    def _run(self) -> None:
        while self._take():
            try:
                publish(self._queue)
            except Exception as error:
                if not self._keep(type(error).__name__) or self._stopping.wait(REST):
                    return
            else:
                self._worked()

    def _tell(self) -> None:
        if not self._is_told:
            for message in self.check():
                logger.error(message.msg)
        self._is_told = True

    def _take(self) -> bool:
        with self._lock:
            if self._thread is not threading.current_thread():
                return False
            wanted, self._wanted = self._wanted, False
            self._since = time.monotonic()
            if not wanted:
                self._thread = None
            return wanted

    def _keep(self, why: str) -> bool:
        """Note a failure; return whether this thread has to try again."""
        with self._lock:
            if self._thread is not threading.current_thread():
                return False
            self._wanted = True
            self._warn(why)
            return True

    def _warn(self, why: str) -> None:
        if not self._failed:
            logger.warning("The broker could not be notified (%s); retrying", why)
        self._failed = True

    def _worked(self) -> None:
        with self._lock:
            failed, self._failed = self._failed, False
        if failed:
            logger.warning("The broker can be notified again")
