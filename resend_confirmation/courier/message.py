"""Confirmation message: one recipient, a text and an HTML part, no user text in any header."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils import timezone, translation

from .. import addresses, clients, conf, languages, redaction
from ..accounts import Account
from ..email_backend import Message
from ..models import Confirmation, Delivery
from . import brand, page_urls
from .rendering import render

logger = logging.getLogger("resend_confirmation")

#: Fragment of our page with the button for recipients who did not sign up.
DISOWN = "not-me"

#: Header that Gmail reads from senders that sign their mail. Providers write their own.
FEEDBACK_ID = "Feedback-ID"


def write(
    delivery: Delivery,
    confirmation: Confirmation,
    account: Account,
    token: str,
    code: str | None = None,
) -> Message:
    """Return the message of one delivery, in its language and the recipient's time zone.

    The templates are ``message.txt``, ``message.html`` and ``message_subject.txt`` below
    ``resend_confirmation/``. A host may override each of them, or add one for a single client below
    ``resend_confirmation/<client>/``. ``code`` is shown next to the link. Raise ValueError if the
    address cannot be mailed.
    """
    client = clients.by_name(delivery.client)
    if client is None and delivery.client:
        logger.warning(
            "The client %r is no longer in CLIENTS; its link opens this site's own page",
            delivery.client,
        )
    with localised(delivery, confirmation):
        context: dict[str, object] = {
            "link": redaction.Secret(page_urls.link(token, client)),
            "disown_link": redaction.Secret(f"{page_urls.page(token, client)}#{DISOWN}"),
            "expires_at": delivery.link_expires_at,
            "address": redaction.Secret(account.address),
            "user": redaction.Hidden(account.user),
            "user_name": addresses.mask_name(account.username),
            "signed_up_at": confirmation.requested_at,
            "number": confirmation.sends + 1,
            "asked_at": delivery.asked_at,
            "client": delivery.client,
            "code": redaction.Secret(code) if code else None,
            "language": languages.catalogue_language(),
            **brand.variables(client),
        }
        subject = " ".join(render("_subject.txt", context).split())
        text = render(".txt", context)
        html = render(".html", context)
    reply_to = (client.reply_to if client else "") or conf.get().REPLY_TO
    message = Message(
        subject=subject,
        body=text,
        from_email=(client.from_email if client else "") or conf.get().FROM_EMAIL,
        to=[account.mailbox.recipient],
        reply_to=[reply_to] if reply_to else None,
        headers={
            "Message-ID": delivery.message_id,
            # RFC 3834. Exchange reads the second header instead.
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            FEEDBACK_ID: _feedback_id(delivery),
        },
    )
    message.attach_alternative(html, "text/html")
    return message


@contextmanager
def localised(delivery: Delivery, confirmation: Confirmation, browser: str = "") -> Iterator[None]:
    """Activate the language and time zone of a delivery, for its message and its pages.

    ``browser`` is the language of a page if no language was named that the site has.
    """
    named = delivery.language or confirmation.language or delivery.accept_language
    language = languages.site_language(named, browser)
    with translation.override(language), timezone.override(_zone(confirmation.time_zone)):
        yield


def _feedback_id(delivery: Delivery) -> str:
    """Return the Feedback-ID by which Gmail counts spam reports: three names, then the sender's."""
    host = delivery.message_id.strip("<>").rpartition("@")[2].strip("[]")
    names = (delivery.client, delivery.dialect, "confirmation", host)
    return ":".join(re.sub(r"[^A-Za-z0-9._-]", "_", name)[-15:] for name in names)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
