"""Options for django-anymail, set only if the provider supports them."""

from collections.abc import Callable
from typing import Any

from anymail.backends.base import AnymailBaseBackend
from anymail.exceptions import AnymailRequestsAPIError, AnymailUnsupportedFeature
from django.core.mail import EmailMultiAlternatives

#: Tag of every message, for the provider's statistics.
TAG = "confirmation"

#: Statuses of a recipient that the provider refused.
REFUSALS = {"invalid", "rejected"}

#: Anymail's names of the attributes that some providers do not support.
_OPTIONAL = ("metadata", "tags", "track_clicks", "track_opens")


def is_anymail(backend: Any) -> bool:
    """Return whether ``backend`` is one of django-anymail."""
    return isinstance(backend, AnymailBaseBackend)


def send(backend: Any, message: EmailMultiAlternatives, delivery_id: int) -> int:
    """Send with metadata and tags and without click tracking, if the provider supports these.

    If it does not support one of them, anymail raises an error before anything is sent, and that
    option is left out. Tracking is off because a rewritten link would hand the token to a third
    party. Return 1 if the provider has the message, from this request or from an earlier one with
    the same idempotency key.
    """
    wanted: dict[str, Any] = {
        "metadata": {"delivery": str(delivery_id)},
        "tags": [TAG],
        "track_clicks": False,
        "track_opens": False,
    }
    # The provider sets its own Feedback-ID, which identifies its customer to Gmail.
    message.extra_headers.pop("Feedback-ID", None)
    if tweak := _ESP_TWEAKS.get(backend.esp_name):
        tweak(backend, message)
    while True:
        _put(message, wanted)
        try:
            return backend.send_messages([message]) or 0
        except AnymailUnsupportedFeature as error:
            unsupported = [name for name in wanted if name in str(error)]
            if not unsupported:
                raise
            for name in unsupported:
                del wanted[name]
        except AnymailRequestsAPIError as error:
            if _DUPLICATE_RESPONSES.get((backend.esp_name, error.status_code), "\0") in str(error):
                return 1
            raise


def provider_id(message: EmailMultiAlternatives) -> str:
    """Return the provider's id of a sent message, or an empty string if it has none."""
    found = getattr(getattr(message, "anymail_status", None), "message_id", None)
    # This is a set if the provider answered with another spelling of the recipient.
    ids = found if isinstance(found, set) else {found}
    return next((str(one) for one in ids if one is not None), "")


def statuses(message: EmailMultiAlternatives) -> set[str | None]:
    """Return the recipients' statuses from the provider's answer; empty if it has none."""
    recipients = getattr(getattr(message, "anymail_status", None), "recipients", None)
    return {recipient.status for recipient in (recipients or {}).values()}


def _put(message: EmailMultiAlternatives, wanted: dict[str, Any]) -> None:
    for name in _OPTIONAL:
        if name in wanted:
            setattr(message, name, wanted[name])
        elif hasattr(message, name):
            delattr(message, name)


def _key(message: EmailMultiAlternatives) -> str:
    """Return the UUID of the Message-ID: the same for every attempt, unique to the message."""
    message_id: str = message.extra_headers["Message-ID"]
    return message_id.strip("<>").partition("@")[0]


def _resend(backend: Any, message: EmailMultiAlternatives) -> None:
    # https://resend.com/docs/dashboard/emails/idempotency-keys
    backend.session.headers["Idempotency-Key"] = _key(message)


def _brevo(backend: Any, message: EmailMultiAlternatives) -> None:
    # The key must be a UUID: https://developers.brevo.com/docs/heterogenous-versions-batch-emails
    message.extra_headers["idempotencyKey"] = _key(message)


def _unisender_go(backend: Any, message: EmailMultiAlternatives) -> None:
    # A key of the API's "message", at most 64 characters: https://godocs.unisender.ru/web-api-ref
    message.esp_extra = {"idempotence_key": _key(message)}  # type: ignore[attr-defined]


def _postmark(backend: Any, message: EmailMultiAlternatives) -> None:
    # Without this header Postmark replaces the Message-ID.
    message.extra_headers["X-PM-KeepID"] = "true"


def _mailjet(backend: Any, message: EmailMultiAlternatives) -> None:
    # Mailjet refuses a Message-ID: https://dev.mailjet.com/email/guides/send-api-v31/
    message.extra_headers.pop("Message-ID", None)


def _mailersend(backend: Any, message: EmailMultiAlternatives) -> None:
    # Headers are for enterprise accounts only: https://developers.mailersend.com/api/v1/email.html
    message.extra_headers.clear()


#: Providers that want an idempotency key or do not accept our headers, by anymail's names.
_ESP_TWEAKS: dict[str, Callable[[Any, EmailMultiAlternatives], None]] = {
    "Resend": _resend,
    "Brevo": _brevo,
    "Unisender Go": _unisender_go,
    "Postmark": _postmark,
    "Mailjet": _mailjet,
    "MailerSend": _mailersend,
}

#: Answers to a known key, for providers that do not just repeat their first answer.
_DUPLICATE_RESPONSES = {
    ("Brevo", 400): "duplicate_request",
    ("Resend", 409): "invalid_idempotent_request",
}
