"""What django-anymail's providers take beside the message, set only where they take it."""

from typing import Any

from anymail.backends.base import AnymailBaseBackend
from anymail.exceptions import AnymailUnsupportedFeature
from django.core.mail import EmailMultiAlternatives

#: Tag of every message, for the provider's own statistics.
TAG = "confirmation"

#: Providers that drop a second message with the same key, by anymail's names for them.
#: https://resend.com/docs/dashboard/emails/idempotency-keys
#: https://developers.brevo.com/docs/idempotent-requests
#: https://docs.unisender.com/docs/go/email-send (idempotence_key)
_SESSION_HEADER = {"Resend": "Idempotency-Key"}
_MESSAGE_HEADER = {"Brevo": "idempotencyKey"}
_EXTRA = {"Unisender Go": "idempotence_key"}

#: What anymail calls the attributes that some providers cannot do.
_OPTIONAL = ("metadata", "tags", "track_clicks", "track_opens")


def is_anymail(connection: Any) -> bool:
    """Whether a connection is one of anymail's."""
    return isinstance(connection, AnymailBaseBackend)


def send(connection: Any, message: EmailMultiAlternatives, delivery_id: int) -> int:
    """Send with metadata, tags and without click tracking, as far as the provider goes.

    A provider that cannot do one of them says so before anything is sent; it is left out then.
    A rewritten link would hand the token to a third party, hence no tracking.
    """
    wanted: dict[str, Any] = {
        "metadata": {"delivery": str(delivery_id)},
        "tags": [TAG],
        "track_clicks": False,
        "track_opens": False,
    }
    _set_idempotency_key(connection, message)
    while True:
        for name in _OPTIONAL:
            if name in wanted:
                setattr(message, name, wanted[name])
            elif hasattr(message, name):
                delattr(message, name)
        try:
            return connection.send_messages([message]) or 0
        except AnymailUnsupportedFeature as error:
            unsupported = [name for name in wanted if name in str(error)]
            if not unsupported:
                raise
            for name in unsupported:
                del wanted[name]


def _set_idempotency_key(connection: Any, message: EmailMultiAlternatives) -> None:
    """The Message-ID, which every attempt repeats, where the provider takes a key."""
    key = message.extra_headers["Message-ID"].strip("<>")
    provider = connection.esp_name
    if provider in _SESSION_HEADER and connection.session is not None:
        connection.session.headers[_SESSION_HEADER[provider]] = key
    if provider in _MESSAGE_HEADER:
        message.extra_headers[_MESSAGE_HEADER[provider]] = key
    if provider in _EXTRA:
        message.esp_extra = {"message": {_EXTRA[provider]: key}}  # type: ignore[attr-defined]
