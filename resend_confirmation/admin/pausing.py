"""Telling staff that nothing is sent at present, and why."""

from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from ..courier.pause import budget, pause


def warn(request: HttpRequest) -> None:
    """Add a warning to the page when the queue is paused."""
    why, hour = pause(), budget()
    if why is None:
        if hour and hour.until and hour.has_the_rest_kept:
            text = gettext(
                "Messages to people who were written to before wait until %(until)s: the rest of "
                "this hour's budget is kept for first messages."
            )
            messages.info(request, text % {"until": date(hour.until)})
        return
    facts = {
        "until": date(why.until),
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


def date(moment: datetime) -> str:
    """Return ``moment`` as the reader's language and time zone write it."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return date_format(local, "DATETIME_FORMAT")
