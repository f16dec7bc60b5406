"""The inbox page: a list of messages, and each one as HTML and as text."""

import re

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.clickjacking import xframe_options_sameorigin

from .models import Message

#: A message may open links in the whole window after a click; scripts do not run.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
BASE = '<base target="_top">'


def inbox(request: HttpRequest) -> HttpResponse:
    """List the messages, newest first."""
    page = Paginator(Message.objects.defer("text", "html", "raw"), 50).get_page(
        request.GET.get("page")
    )
    return render(request, "inbox/inbox.html", {"page": page})


def message(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one message."""
    found = get_object_or_404(Message, pk=pk)
    return render(request, "inbox/message.html", {"message": found, "sandbox": SANDBOX})


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
