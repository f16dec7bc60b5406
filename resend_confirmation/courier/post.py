"""Handing a message to Django's e-mail backend, and telling apart why it was not taken."""

import enum
import smtplib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from anymail.exceptions import (
    AnymailAPIError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
    AnymailUnsupportedFeature,
)
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend as SMTPBackend

from .. import conf


class Kind(enum.Enum):
    """How sending ended."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not accepted"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the backend said; the texts of errors are left out, since they quote addresses."""

    kind: Kind
    provider_id: str = ""
    error_class: str = ""
    error_code: str = ""


class Post:
    """One connection to the mail server, opened when first needed and used for a whole batch."""

    def __init__(self) -> None:
        self._connection: Any = None

    def __enter__(self) -> "Post":
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def send(self, message: EmailMultiAlternatives) -> Receipt:
        """Send one message; every error of a mail backend becomes a Receipt."""
        try:
            if self._connection is None:
                self._connection = _connect()
                self._connection.open()
            if not _carries(self._connection, message.to[0]):
                return Receipt(Kind.UNSUPPORTED, error_class="SMTPUTF8")
            accepted = self._connection.send_messages([message])
        except Exception as error:
            # The connection may be in any state: the next message gets a new one.
            self._drop()
            return receipt_of(error)
        if not accepted:
            return Receipt(Kind.NOT_ACCEPTED, error_class="NotAccepted")
        status = getattr(message, "anymail_status", None)
        return Receipt(Kind.ACCEPTED, provider_id=str(getattr(status, "message_id", "") or ""))

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # It is given up either way.
            with suppress(Exception):
                connection.close()


def _connect() -> Any:
    alias = conf.get().MAILER
    mailers = getattr(mail, "mailers", None)
    # Django 6.1 names its connections; before that there is one, and no name for it.
    return mail.get_connection() if mailers is None else mailers[alias]


def _carries(connection: Any, address: str) -> bool:
    """Django's SMTP backend cannot speak SMTPUTF8 (RFC 6531).

    Before Django 6 it would write the local part as an encoded word, which is another mailbox.
    """
    return address.isascii() or not isinstance(connection, SMTPBackend)


def receipt_of(error: Exception) -> Receipt:
    """Which kind of failure an exception of a mail backend is."""
    name = type(error).__name__
    match error:
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            code = next(iter(recipients.values()), (0, b""))[0]
            return Receipt(_by_code(code), error_class=name, error_code=str(code))
        case smtplib.SMTPResponseException(smtp_code=code):
            return Receipt(Kind.NOT_ACCEPTED, error_class=name, error_code=str(code))
        case AnymailRecipientsRefused() | AnymailInvalidAddress():
            return Receipt(Kind.REFUSED, error_class=name)
        case AnymailUnsupportedFeature():
            return Receipt(Kind.UNSUPPORTED, error_class=name)
        case AnymailAPIError(status_code=code):
            return Receipt(Kind.NOT_ACCEPTED, error_class=name, error_code=str(code or ""))
        case ValueError():
            return Receipt(Kind.UNSUPPORTED, error_class=name)
    return Receipt(Kind.NOT_ACCEPTED, error_class=name)


def _by_code(code: int) -> Kind:
    return Kind.REFUSED if 500 <= code < 600 else Kind.NOT_ACCEPTED  # noqa: PLR2004 - RFC 5321
