"""Connection through Django's e-mail backend: one per batch, with one deadline per message."""

import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend as SMTPBackend

from .. import conf
from ..deadline import DeadlineExceeded, run_with_timeout
from . import anymail_options
from .classification import Failure, SendResult, Stage, classify
from .observers import Observer, observe

logger = logging.getLogger("resend_confirmation")

#: Seconds that closing a connection may take.
CLOSE_SECONDS = 2.0


class Connection:
    """A connection to the mail server, reused within a batch."""

    def __init__(self) -> None:
        self._backend: Any = None
        self._observer = Observer()
        #: Number of messages sent on the connection; None if it cannot be used for another.
        self._sent: int | None = None
        self._hangs = False

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """True if there is a connection that can be used for another message."""
        return self._sent is not None

    def open(self) -> SendResult | None:
        """Connect if necessary. Return None if there is a connection, otherwise the failure."""
        if self.is_open:
            return None
        self.close()
        seconds = conf.get().SEND_DEADLINE.total_seconds()
        try:
            self._backend = _make_backend()
            if getattr(self._backend, "timeout", seconds) is None:
                # Without a time-out, a silent server would block a thread for ever. It is longer
                # than the deadline, which must come first.
                self._backend.timeout = 2 * seconds
            self._observer = observe(self._backend)
            run_with_timeout(seconds, self._backend.open, abort=self._cut)
        except Exception as error:
            return classify(error, Stage.OPENING)
        self._sent = 0
        return None

    def send(
        self, message: EmailMultiAlternatives, delivery_id: int, heartbeat: Callable[[], Any]
    ) -> SendResult:
        """Send one message on the open connection. An error becomes a SendResult.

        ``heartbeat`` is called from time to time during the send. If the server defers a message
        before its body, on a connection that has sent others, the message is retried on a new
        one. Servers end a session after a number of messages (RFC 5321, section 3.8).
        """
        is_used = bool(self._sent)
        result = self._send(message, delivery_id, heartbeat)
        if result.early and result.failure is Failure.NOT_ACCEPTED and is_used:
            return self.open() or self._send(message, delivery_id, heartbeat)
        return result

    def _send(
        self, message: EmailMultiAlternatives, delivery_id: int, heartbeat: Callable[[], Any]
    ) -> SendResult:
        backend, sent, self._sent = self._backend, self._sent or 0, None
        if not _supports(backend, message.to[0]):
            self._sent = sent
            return SendResult(Failure.UNSUPPORTED, error_class="SMTPUTF8")
        seconds = conf.get().SEND_DEADLINE.total_seconds()
        self._observer.begin()
        error: Exception | None = None
        try:
            accepted = run_with_timeout(
                seconds,
                lambda: _send(backend, message, delivery_id),
                abort=self._cut,
                heartbeat=heartbeat,
            )
        except Exception as raised:
            # The connection may be in any state, so the next message gets a new one. A connection
            # that hangs is left to its thread.
            error, self._hangs = raised, isinstance(raised, DeadlineExceeded)
        else:
            self._sent = sent + 1
            if accepted:
                return SendResult(provider_id=anymail_options.provider_id(message))
        result = self._observer.judge(message, error)
        if result.failure:
            return result
        if error:
            logger.warning(
                "The e-mail backend raised %s after delivery %d had been accepted",
                result.error_class,
                delivery_id,
            )
        return SendResult(provider_id=anymail_options.provider_id(message))

    def _cut(self) -> None:
        """Shut down the socket of a hanging session, so that its thread ends."""
        self._observer.end()
        _cut(self._backend)

    def close(self) -> None:
        """Close the connection within ``CLOSE_SECONDS`` seconds. A hanging one is left alone."""
        backend, self._backend, self._sent = self._backend, None, None
        hangs, self._hangs = self._hangs, False
        if backend is not None and not hangs:
            # The connection is given up even if closing it fails.
            with suppress(Exception):
                run_with_timeout(CLOSE_SECONDS, backend.close, abort=lambda: _cut(backend))


def _cut(backend: Any) -> None:
    for name in ("connection", "_partial_connection"):
        session = getattr(backend, name, None)
        sock = getattr(session, "sock", None)
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _make_backend() -> Any:
    alias = conf.get().MAILER
    mailers = getattr(mail, "mailers", None)
    # Django 6.1 has named connections. Earlier versions have one, without a name.
    return mail.get_connection() if mailers is None else mailers[alias]


def _send(backend: Any, message: EmailMultiAlternatives, delivery_id: int) -> int:
    if anymail_options.is_anymail(backend):
        return anymail_options.send(backend, message, delivery_id)
    return backend.send_messages([message]) or 0


def _supports(backend: Any, address: str) -> bool:
    """Return whether the backend supports ``address``.

    Django's SMTP backend does not support SMTPUTF8 (RFC 6531). Before Django 6 it would write the
    local part as an encoded word, which is another mailbox.
    """
    return address.isascii() or not isinstance(backend, SMTPBackend)
