"""A mail backend that delivers to the inbox page instead of the network."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from .models import Message


class EmailBackend(BaseEmailBackend):
    """Store each message once per recipient.

    https://docs.djangoproject.com/en/stable/topics/email/#defining-a-custom-email-backend
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Store the messages and return their number."""
        Message.objects.bulk_create(
            Message(
                recipient=recipient,
                sender=message.from_email,
                subject=message.subject,
                text=message.body,
                html=_html(message),
                raw=message.message().as_string(),
            )
            for message in email_messages
            for recipient in message.recipients()
        )
        return len(email_messages)


def _html(message: EmailMessage) -> str:
    """Return the HTML part, or an empty string."""
    parts = getattr(message, "alternatives", [])
    return next((str(content) for content, kind in parts if kind == "text/html"), "")
