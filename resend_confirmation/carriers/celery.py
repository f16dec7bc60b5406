"""The Celery carrier: publish a task from a thread, so that no request waits for the broker."""

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

#: Socket timeout for the broker in seconds, unless the site sets one.
BROKER_SECONDS = 3.0
#: The timeout under the name of each transport; a transport ignores the other names.
TIMEOUTS = dict.fromkeys(
    ("socket_connect_timeout", "socket_timeout", "read_timeout", "write_timeout"), BROKER_SECONDS
)
#: Seconds between a failed publication and its retry.
RETRY_SECONDS = 3.0
#: Seconds after which the next wake abandons a publication that has not ended.
ABANDON_SECONDS = 10.0

NO_BROKER = (
    'CARRIER is "celery", but the Celery application of this process has no broker: '
    "tasks go to Celery's default broker, where no worker may be listening"
)


@shared_task(name="resend_confirmation.drain", ignore_result=True, acks_late=True)  # type: ignore[untyped-decorator]
def drain() -> None:
    """Drain until nothing is due. Idempotent: the state is in the rows."""
    engine.drain_all(Event())


def application() -> Any:
    """Return the site's Celery application.

    Celery has a current application for each thread. In threads other than the one that loaded
    the site's application it is a default one without a broker. The site's is then the only one
    with a broker.
    """
    current = drain.app
    if not has_broker(current):
        others = [app for app in _state._get_active_apps() if has_broker(app)]
        if len(others) == 1:
            return others[0]
    return current


def has_broker(app: Any) -> bool:
    """Return whether ``app`` has a broker configured."""
    return bool(app.conf.broker_url or app.conf.broker_write_url)


def publish(queue: str | None = None) -> None:
    """Publish the task to ``queue``, or to Celery's default queue.

    A separate connection is used, because a connection that hung must not be reused.
    """
    app = application()
    timeouts = {**TIMEOUTS, **(app.conf.broker_transport_options or {})}
    with app.connection_for_write(transport_options=timeouts) as connection:
        app.tasks[drain.name].apply_async(connection=connection, retry=False, queue=queue)


class CeleryCarrier:
    """Publish in a separate thread; one publication covers all earlier wakes.

    While the broker does not answer, the publication is retried and one line is logged. The
    rows stay due: the next task, a periodic one or ``manage.py resend_confirmation drain``
    sends them.
    """

    def __init__(self, queue: str | None = None) -> None:
        self._queue = queue
        self._begin()
        # A fork copies locks that are held by threads which the child does not have.
        if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
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
        """Wait for a publication under way, because a command exits right after its commit."""
        self._stopping.set()
        if (thread := self._thread) is not None:
            thread.join(BROKER_SECONDS)

    def wake(self) -> None:
        """Publish the task soon."""
        with self._lock:
            self._wanted = True
            if self._thread is not None and self._thread.is_alive():
                if time.monotonic() - self._since < ABANDON_SECONDS:
                    return
                self._warn("no answer")
            self._since = time.monotonic()
            self._tell()
            self._thread = threading.Thread(
                target=self._run, name="resend-confirmation-waker", daemon=True
            )
            self._thread.start()

    def check(self) -> list[CheckMessage]:
        """Return warnings about a missing broker, or a server without threads."""
        if has_broker(application()):
            return servers.check()
        hint = (
            "Load the site's Celery application in each process, from the __init__.py next to the "
            "settings, and set its broker; docs/how-to/carriers.md shows how."
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
                if not self._keep(type(error).__name__) or self._stopping.wait(RETRY_SECONDS):
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
        """Record a failure; return whether this thread must retry."""
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
