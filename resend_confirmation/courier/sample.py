"""Sample messages for previews and tests: their data is invented, and their link does not work."""

import re
from typing import Any

from django.contrib.auth import get_user_model

from .. import conf, database, tokens
from ..accounts import Account
from ..clients import Client
from ..email_backend import Connection, Message, SendResult
from ..models import Confirmation, Delivery
from ..outcomes import Standing
from . import links, message

#: The recipient of a sample that is only shown.
ADDRESS = "ann@example.com"
#: A token in the usual form, which no link has.
TOKEN = ("preview" * tokens.LENGTH)[: tokens.LENGTH]
CODE = "481516"

#: Colour schemes that a mail program may prefer.
SCHEMES = ("light", "dark")

_PREFERENCE = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)")


def write(
    client: Client | None, language: str, *, with_code: bool = False, address: str = ADDRESS
) -> Message:
    """Return the message of ``client`` in ``language``, as for a first request."""
    now, name = database.now(), client.name if client else ""
    delivery = Delivery(
        client=name,
        language=language,
        asked_at=now,
        link_expires_at=now + conf.get().LINK_LIFETIME,
        message_id=links.new_message_id(client),
    )
    confirmation = Confirmation(address=address, client=name, requested_at=now)
    user: Any = get_user_model()()
    setattr(user, user.USERNAME_FIELD, "ann")
    setattr(user, user.get_email_field_name(), address)
    account = Account(user, address, "ann", Standing.PENDING)
    return message.write(delivery, confirmation, account, TOKEN, CODE if with_code else None)


def html(mail: Message, scheme: str = "") -> str:
    """Return the HTML part; with ``scheme``, as programs show it that prefer that one."""
    part = str(mail.alternatives[0][0])
    if not scheme:
        return part
    # The conditions that always and never hold can be combined with others.
    forced = _PREFERENCE.sub(
        lambda found: "(min-width: 0)" if found[1] == scheme else "(max-width: 0)", part
    )
    style = f"<style>:root {{ color-scheme: {scheme} !important }}</style>"
    return forced.replace("</head>", f"{style}</head>", 1)


def text(mail: Message) -> str:
    """Return the headers that readers see, and the text part."""
    headers = {"From": mail.from_email, "Reply-To": ", ".join(mail.reply_to)}
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    return "\n".join([*lines, f"Subject: {mail.subject}", "", str(mail.body)])


def send(mail: Message) -> SendResult:
    """Send a sample at once, marked as a test. It counts in no limit and has no row."""
    mail.subject = f"[Test] {mail.subject}"
    with Connection() as connection:
        return connection.open() or connection.send(mail, 0, heartbeat=lambda: None)
