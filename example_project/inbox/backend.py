"""A mail backend that delivers to the inbox page instead of the network."""

import re
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
                html=html,
                raw=message.message().as_string(),
                client=client,
                dialect=dialect,
                language=_language(html),
            )
            for message in email_messages
            for html in [_html(message)]
            for client, dialect in [_belongings(message)]
            for recipient in message.recipients()
        )
        return len(email_messages)


def _belongings(message: EmailMessage) -> tuple[str, str]:
    """Return the client and the dialect in the Feedback-ID, or empty strings."""
    client, _, rest = message.extra_headers.get("Feedback-ID", "").partition(":")
    return client, rest.partition(":")[0]


def _language(html: str) -> str:
    found = re.search(r'<html\b[^>]*?\blang="([^"]*)"', html)
    return found[1] if found else ""


def _html(message: EmailMessage) -> str:
    """Return the HTML part, or an empty string."""
    parts = getattr(message, "alternatives", [])
    return next((str(content) for content, kind in parts if kind == "text/html"), "")
