"""Handing a message to Django's e-mail backend: one connection a batch, one deadline a message."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend as SMTPBackend

from .. import conf
from . import extras, receipts
from .deadline import DeadlineExceeded, within
from .receipts import Kind, Receipt


class Post:
    """One connection to the mail server, opened when first needed and used for a whole batch."""

    def __init__(self) -> None:
        self._connection: Any = None

    def __enter__(self) -> "Post":
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def open(self) -> Receipt | None:
        """Connect, unless connected; None when there is a connection, else why not."""
        if self._connection is not None:
            return None
        seconds = conf.get().SEND_DEADLINE.total_seconds()
        try:
            self._connection = _connect()
            if getattr(self._connection, "timeout", seconds) is None:
                # Else a server that accepts and says nothing would hold a thread for ever. Longer
                # than the deadline, which is to come first.
                self._connection.timeout = 2 * seconds
            within(seconds, self._connection.open, abort=self._cut)
        except Exception as error:
            self._drop()
            return receipts.of(error, handed=False)
        return None

    def send(
        self, message: EmailMultiAlternatives, delivery_id: int, beat: Callable[[], Any]
    ) -> Receipt:
        """Send one message on the open connection; every error becomes a Receipt.

        ``beat`` is called now and then while it lasts.
        """
        connection = self._connection
        if not _carries(connection, message.to[0]):
            return Receipt(Kind.UNSUPPORTED, error_class="SMTPUTF8")
        seconds = conf.get().SEND_DEADLINE.total_seconds()
        try:
            accepted = within(
                seconds,
                lambda: _send(connection, message, delivery_id),
                abort=self._cut,
                beat=beat,
            )
        except Exception as error:
            # The connection may be in any state: the next message gets a new one. One that hangs
            # is left to its thread.
            self._drop(close=not isinstance(error, DeadlineExceeded))
            return receipts.of(error, handed=True)
        if not accepted:
            return Receipt(Kind.NOT_ACCEPTED, error_class="NotAccepted")
        return Receipt(Kind.ACCEPTED, provider_id=extras.provider_id(message))

    def _cut(self) -> None:
        """Close the socket under a session that hangs, so that its thread ends."""
        for name in ("connection", "_partial_connection"):
            session = getattr(self._connection, name, None)
            sock = getattr(session, "sock", None)
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _drop(self, *, close: bool = True) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and close:
            seconds = conf.get().SEND_DEADLINE.total_seconds()
            # It is given up either way.
            with suppress(Exception):
                within(seconds, connection.close, abort=lambda: None)


def _connect() -> Any:
    alias = conf.get().MAILER
    mailers = getattr(mail, "mailers", None)
    # Django 6.1 names its connections; before that there is one, and no name for it.
    return mail.get_connection() if mailers is None else mailers[alias]


def _send(connection: Any, message: EmailMultiAlternatives, delivery_id: int) -> int:
    if extras.is_anymail(connection):
        return extras.send(connection, message, delivery_id)
    return connection.send_messages([message]) or 0


def _carries(connection: Any, address: str) -> bool:
    """Django's SMTP backend cannot speak SMTPUTF8 (RFC 6531).

    Before Django 6 it would write the local part as an encoded word, which is another mailbox.
    """
    return address.isascii() or not isinstance(connection, SMTPBackend)
