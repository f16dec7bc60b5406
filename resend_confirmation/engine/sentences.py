"""The sentence for an explanation, in the active language."""

import re
from collections.abc import Callable
from datetime import datetime

from django.utils.translation import get_language_bidi, gettext
from django.utils.translation import gettext_lazy as _

from .explanation import Explanation, Kind, Remedy

#: Two full stops: that of a time, such as "3 p.m.", and that of the sentence.
_DOUBLED = re.compile(r"(?<!\.)\.\.(?!\.)")

#: The sentences for each kind, without and with its time.
TEXTS = {
    Kind.CONFIRMED: (_("The address is confirmed."), _("The address was confirmed on %(at)s.")),
    Kind.WITHDRAWN: (
        _("The confirmation was withdrawn."),
        _("The recipient disowned the confirmation on %(at)s."),
    ),
    Kind.BLOCKED: (_("The account is deactivated."), ""),
    Kind.ADDRESS_CHANGED: (_("The account no longer has this address."), ""),
    Kind.SUPPRESSED: ("", _("The address has been suppressed since %(at)s%(words)s.")),
    Kind.PAUSED: (
        "",
        _("Sending is paused until %(at)s, because the e-mail settings do not work%(words)s."),
    ),
    Kind.BUDGET: (
        "",
        _("Sending is paused until %(at)s, because the hourly budget is used up."),
    ),
    Kind.RETRY: ("", _("The message waits for the next try on %(at)s: %(reason)s%(words)s.")),
    Kind.TURN: ("", _("The message waits until %(at)s.")),
    Kind.DUE: ("", _("The message has waited for a courier since %(at)s.")),
    Kind.SENDING: (
        _("The message is being sent."),
        _("The message is being sent. It was handed over on %(at)s."),
    ),
    Kind.COOLDOWN: ("", _("The address is within its cooldown until %(at)s.")),
    Kind.NOTHING: (_("No message has been requested."), ""),
    Kind.SENT: ("", _("The message was sent on %(at)s, and nothing has been heard since.")),
    Kind.DELIVERED: ("", _("The recipient's mail server accepted the message on %(at)s.")),
    Kind.BOUNCED: ("", _("The message bounced on %(at)s%(words)s.")),
    Kind.COMPLAINED: ("", _("The recipient reported the message as spam on %(at)s.")),
    Kind.UNCERTAIN: ("", _("The message may have been sent; it was given up on %(at)s%(words)s.")),
    Kind.UNSENT: ("", _("The message was not sent (%(at)s): %(reason)s%(words)s.")),
}


def sentence(found: Explanation, date: Callable[[datetime], str]) -> str:
    """Return the sentence for ``found``, with times as ``date`` writes them."""
    without_time, with_time = TEXTS[found.kind]
    facts = {
        "at": date(found.at) if found.at else "-",
        "words": _in_brackets(found.words),
        "reason": found.reason.label,
    }
    text = str((with_time if found.at else without_time) or with_time) % facts
    if found.cooldown_until and Remedy.RESEND in found.remedies:
        until = {"until": date(found.cooldown_until)}
        text += " " + gettext("Another one can be sent from %(until)s.") % until
    return _DOUBLED.sub(".", text)


def _in_brackets(words: str) -> str:
    """Return the words of a mail server in brackets, so that they do not mix with the sentence."""
    if not words:
        return ""
    # In a sentence from right to left, digits and punctuation would change places.
    return f" (\u2068{words}\u2069)" if get_language_bidi() else f" ({words})"
