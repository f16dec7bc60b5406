"""What django-anymail's providers take beside the message, set only where they take it."""

from collections.abc import Callable
from typing import Any

from anymail.backends.base import AnymailBaseBackend
from anymail.exceptions import AnymailRequestsAPIError, AnymailUnsupportedFeature
from django.core.mail import EmailMultiAlternatives

#: Tag of every message, for the provider's own statistics.
TAG = "confirmation"

#: The statuses of a recipient that the provider refused.
REFUSALS = {"invalid", "rejected"}

#: What anymail calls the attributes that some providers cannot do.
_OPTIONAL = ("metadata", "tags", "track_clicks", "track_opens")


def is_anymail(connection: Any) -> bool:
    """Whether a connection is one of anymail's."""
    return isinstance(connection, AnymailBaseBackend)


def send(connection: Any, message: EmailMultiAlternatives, delivery_id: int) -> int:
    """Send with metadata, tags and without click tracking, as far as the provider goes.

    A provider that cannot do one of them says so before anything is sent; it is left out then.
    A rewritten link would hand the token to a third party, hence no tracking. 1 when the
    provider has the message, from this request or from an earlier one with the same key.
    """
    wanted: dict[str, Any] = {
        "metadata": {"delivery": str(delivery_id)},
        "tags": [TAG],
        "track_clicks": False,
        "track_opens": False,
    }
    # A provider's own says to Gmail which of its customers it is.
    message.extra_headers.pop("Feedback-ID", None)
    if adapt := _PECULIAR.get(connection.esp_name):
        adapt(connection, message)
    while True:
        _put(message, wanted)
        try:
            return connection.send_messages([message]) or 0
        except AnymailUnsupportedFeature as error:
            unsupported = [name for name in wanted if name in str(error)]
            if not unsupported:
                raise
            for name in unsupported:
                del wanted[name]
        except AnymailRequestsAPIError as error:
            if _HAS_IT.get((connection.esp_name, error.status_code), "\0") in str(error):
                return 1
            raise


def provider_id(message: EmailMultiAlternatives) -> str:
    """The provider's id of a message that was sent; an empty string where there is none."""
    found = getattr(getattr(message, "anymail_status", None), "message_id", None)
    # A set where the provider answered with the recipient in another spelling.
    ids = found if isinstance(found, set) else {found}
    return next((str(one) for one in ids if one is not None), "")


def statuses(message: EmailMultiAlternatives) -> set[str | None]:
    """Return what the provider said of the recipients; empty if it did not say."""
    recipients = getattr(getattr(message, "anymail_status", None), "recipients", None)
    return {recipient.status for recipient in (recipients or {}).values()}


def _put(message: EmailMultiAlternatives, wanted: dict[str, Any]) -> None:
    for name in _OPTIONAL:
        if name in wanted:
            setattr(message, name, wanted[name])
        elif hasattr(message, name):
            delattr(message, name)


def _key(message: EmailMultiAlternatives) -> str:
    """What every attempt repeats and no other message has: the UUID of the Message-ID."""
    message_id: str = message.extra_headers["Message-ID"]
    return message_id.strip("<>").partition("@")[0]


def _resend(connection: Any, message: EmailMultiAlternatives) -> None:
    # https://resend.com/docs/dashboard/emails/idempotency-keys
    connection.session.headers["Idempotency-Key"] = _key(message)


def _brevo(connection: Any, message: EmailMultiAlternatives) -> None:
    # A UUID: https://developers.brevo.com/docs/heterogenous-versions-batch-emails
    message.extra_headers["idempotencyKey"] = _key(message)


def _unisender_go(connection: Any, message: EmailMultiAlternatives) -> None:
    # A key of the API's "message", at most 64 characters: https://godocs.unisender.ru/web-api-ref
    message.esp_extra = {"idempotence_key": _key(message)}  # type: ignore[attr-defined]


def _postmark(connection: Any, message: EmailMultiAlternatives) -> None:
    # Its own header for it: else it replaces the Message-ID.
    message.extra_headers["X-PM-KeepID"] = "true"


def _mailjet(connection: Any, message: EmailMultiAlternatives) -> None:
    # It refuses a message that brings one: https://dev.mailjet.com/email/guides/send-api-v31/
    message.extra_headers.pop("Message-ID", None)


def _mailersend(connection: Any, message: EmailMultiAlternatives) -> None:
    # Headers are for enterprise accounts only: https://developers.mailersend.com/api/v1/email.html
    message.extra_headers.clear()


#: Where a provider wants an idempotency key, or cannot take our headers; by anymail's names.
_PECULIAR: dict[str, Callable[[Any, EmailMultiAlternatives], None]] = {
    "Resend": _resend,
    "Brevo": _brevo,
    "Unisender Go": _unisender_go,
    "Postmark": _postmark,
    "Mailjet": _mailjet,
    "MailerSend": _mailersend,
}

#: How a provider answers a key that it knows, where it does not just repeat its first answer.
_HAS_IT = {
    ("Brevo", 400): "duplicate_request",
    ("Resend", 409): "invalid_idempotent_request",
}
