"""The inbox page: a list of messages, and each one as HTML and as text."""

import re

from demo.pages import page
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.clickjacking import xframe_options_sameorigin

from .models import Message

#: A message may open links in the whole window after a click; scripts do not run.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
BASE = '<base target="_top">'
PER_PAGE = 50
_HEADS = Message.objects.defer("text", "html", "raw")


def inbox(request: HttpRequest) -> HttpResponse:
    """List the messages, newest first."""
    shown = Paginator(_HEADS, PER_PAGE).get_page(request.GET.get("page"))
    newest = shown[0].pk if shown else 0
    return page(request, "inbox/inbox.html", {"page": shown, "newest": newest})


def news(request: HttpRequest) -> JsonResponse:
    """Return the messages after the one with the id ``after``, newest first; none without it."""
    after = request.GET.get("after", "")
    found = list(_HEADS.filter(pk__gt=after)[:PER_PAGE]) if after.isdecimal() else []
    newest = found[0].pk if found else Message.objects.values_list("pk", flat=True).first() or 0
    messages = [
        {
            "url": reverse("inbox:message", args=[each.pk]),
            "recipient": each.recipient,
            "subject": each.subject,
            "dialect": each.dialect,
        }
        for each in found
    ]
    html = render_to_string("inbox/entries.html", {"messages": found})
    return JsonResponse({"newest": newest, "messages": messages, "html": html})


def message(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one message."""
    found = get_object_or_404(Message, pk=pk)
    return page(request, "inbox/message.html", {"message": found, "sandbox": SANDBOX})


@xframe_options_sameorigin
def html(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the HTML part alone, for the frame; sandboxed even if it is opened directly."""
    part = get_object_or_404(Message, pk=pk).html
    part, found = re.subn(r"<head\b[^>]*>", lambda head: head[0] + BASE, part, count=1)
    response = HttpResponse(part if found else BASE + part)
    response["Content-Security-Policy"] = (
        f"sandbox {SANDBOX}; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    )
    return response
