"""Connection to Django's e-mail backend: one per batch, with one deadline per message."""

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
from . import extras, receipts
from .receipts import Kind, Receipt, Stage
from .wire import Wire, watch

logger = logging.getLogger("resend_confirmation")

#: Seconds that closing a connection may take.
FAREWELL = 2.0


class Post:
    """A connection to the mail server, opened on first use and reused within a batch."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._wire = Wire()
        #: Number of messages sent on the connection; None if it cannot be used for another.
        self._carried: int | None = None
        self._hangs = False

    def __enter__(self) -> "Post":
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def open(self) -> Receipt | None:
        """Connect if necessary. Return None if there is a connection, otherwise the failure."""
        if self._carried is not None:
            return None
        self._drop()
        seconds = conf.get().SEND_DEADLINE.total_seconds()
        try:
            self._connection = _connect()
            if getattr(self._connection, "timeout", seconds) is None:
                # Without a time-out, a silent server would block a thread for ever. It is longer
                # than the deadline, which must come first.
                self._connection.timeout = 2 * seconds
            self._wire = watch(self._connection)
            run_with_timeout(seconds, self._connection.open, abort=self._cut)
        except Exception as error:
            return receipts.of(error, Stage.OPENING)
        self._carried = 0
        return None

    def send(
        self, message: EmailMultiAlternatives, delivery_id: int, heartbeat: Callable[[], Any]
    ) -> Receipt:
        """Send one message on the open connection. Every error becomes a Receipt.

        ``heartbeat`` is called from time to time during the send. If the server defers a message
        before its body, on a connection that has carried others, the message is retried on a new
        one. Servers end a session after a number of messages (RFC 5321, section 3.8).
        """
        is_used = bool(self._carried)
        receipt = self._send(message, delivery_id, heartbeat)
        if receipt.early and receipt.kind is Kind.NOT_ACCEPTED and is_used:
            return self.open() or self._send(message, delivery_id, heartbeat)
        return receipt

    def _send(
        self, message: EmailMultiAlternatives, delivery_id: int, heartbeat: Callable[[], Any]
    ) -> Receipt:
        connection, carried, self._carried = self._connection, self._carried or 0, None
        if not _carries(connection, message.to[0]):
            self._carried = carried
            return Receipt(Kind.UNSUPPORTED, error_class="SMTPUTF8")
        seconds = conf.get().SEND_DEADLINE.total_seconds()
        self._wire.begin()
        error: Exception | None = None
        try:
            accepted = run_with_timeout(
                seconds,
                lambda: _send(connection, message, delivery_id),
                abort=self._cut,
                heartbeat=heartbeat,
            )
        except Exception as raised:
            # The connection may be in any state, so the next message gets a new one. A connection
            # that hangs is left to its thread.
            error, self._hangs = raised, isinstance(raised, DeadlineExceeded)
        else:
            self._carried = carried + 1
            if accepted:
                return Receipt(Kind.ACCEPTED, provider_id=extras.provider_id(message))
        receipt = self._wire.judge(message, error)
        if receipt.kind is not Kind.ACCEPTED:
            return receipt
        if error:
            logger.warning(
                "The e-mail backend raised %s after delivery %d had been accepted",
                receipt.error_class,
                delivery_id,
            )
        return Receipt(Kind.ACCEPTED, provider_id=extras.provider_id(message))

    def _cut(self) -> None:
        """Shut down the socket of a hanging session, so that its thread ends."""
        self._wire.end()
        _cut(self._connection)

    def _drop(self) -> None:
        """Close the connection within ``FAREWELL`` seconds. A hanging one is left alone."""
        connection, self._connection, self._carried = self._connection, None, None
        hangs, self._hangs = self._hangs, False
        if connection is not None and not hangs:
            # The connection is given up even if closing it fails.
            with suppress(Exception):
                run_with_timeout(FAREWELL, connection.close, abort=lambda: _cut(connection))


def _cut(connection: Any) -> None:
    for name in ("connection", "_partial_connection"):
        session = getattr(connection, name, None)
        sock = getattr(session, "sock", None)
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _connect() -> Any:
    alias = conf.get().MAILER
    mailers = getattr(mail, "mailers", None)
    # Django 6.1 has named connections. Earlier versions have one, without a name.
    return mail.get_connection() if mailers is None else mailers[alias]


def _send(connection: Any, message: EmailMultiAlternatives, delivery_id: int) -> int:
    if extras.is_anymail(connection):
        return extras.send(connection, message, delivery_id)
    return connection.send_messages([message]) or 0


def _carries(connection: Any, address: str) -> bool:
    """Return whether the backend supports ``address``.

    Django's SMTP backend does not support SMTPUTF8 (RFC 6531). Before Django 6 it would write the
    local part as an encoded word, which is another mailbox.
    """
    return address.isascii() or not isinstance(connection, SMTPBackend)
