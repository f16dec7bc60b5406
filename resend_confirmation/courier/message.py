"""Writing the message: one recipient, a text and an HTML part, no user text in any header."""

import logging
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone, translation

from .. import addresses, clients, conf, languages, redaction
from ..accounts import Account
from ..models import Confirmation, Delivery
from . import links

logger = logging.getLogger("resend_confirmation")

TEMPLATES = "resend_confirmation/message"


def write(
    delivery: Delivery, confirmation: Confirmation, account: Account, token: str
) -> EmailMultiAlternatives:
    """The message of one delivery, in its language and the recipient's time zone.

    Templates are ``resend_confirmation/message.txt``, ``.html`` and ``_subject.txt``; a host
    may override each, or one of a client's own under ``resend_confirmation/<client>/``. Raises
    ValueError when the address cannot be mailed.
    """
    language = languages.of_the_site(delivery.language or confirmation.language)
    with translation.override(language), timezone.override(_zone(confirmation.time_zone)):
        client = clients.by_name(delivery.client)
        if client is None and delivery.client:
            logger.warning(
                "CLIENTS has no client %r any more: a link leads to our own page", delivery.client
            )
        link = links.url(token, client)
        context = {
            "link": redaction.Secret(link),
            "expires_at": delivery.link_expires_at,
            "address": redaction.Secret(account.address),
            "user": redaction.Hidden(account.user),
            "client": delivery.client,
            "site": conf.get().BASE_URL,
            "language": languages.of_our_texts(),
        }
        subject = " ".join(_render("_subject.txt", context).split())
        text = _render(".txt", context)
        html = _render(".html", context)
    message = EmailMultiAlternatives(
        subject=subject,
        body=text,
        from_email=conf.get().FROM_EMAIL,
        to=[addresses.deliverable(account.address)],
        headers={"Message-ID": delivery.message_id, "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(html, "text/html")
    return message


def _render(suffix: str, context: dict[str, object]) -> str:
    client = context["client"]
    names = [f"resend_confirmation/{client}/message{suffix}"] if client else []
    return render_to_string([*names, f"{TEMPLATES}{suffix}"], context)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
