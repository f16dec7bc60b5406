"""Telling staff that nothing is sent at present, and why."""

from django.contrib import messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from ..courier.pause import pause


def warn(request: HttpRequest) -> None:
    """Add a warning to the page when the queue is paused."""
    why = pause()
    if why is None:
        return
    until = timezone.localtime(why.until) if timezone.is_aware(why.until) else why.until
    facts = {
        "until": date_format(until, "DATETIME_FORMAT"),
        "error": f"{why.error_class} {why.error_code}".strip(),
    }
    if why.reason == "budget":
        text = gettext("No messages until %(until)s: this hour's budget is used up.")
    else:
        text = gettext(
            "No messages until %(until)s, when they are tried again: the e-mail settings do not "
            "work (%(error)s)."
        )
    messages.warning(request, text % facts)
