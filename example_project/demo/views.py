"""The front page: links, the seeded accounts, and requests to send."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from . import tables
from .data import REQUESTS


def front(request: HttpRequest) -> HttpResponse:
    """Render one page with everything that ``manage.py demo`` prints."""
    base = f"{request.scheme}://{request.get_host()}"
    context = {
        "development": settings.DEBUG,
        "account_columns": tables.ACCOUNT_COLUMNS,
        "accounts": tables.account_rows(),
        "client_columns": tables.CLIENT_COLUMNS,
        "clients": tables.client_rows(),
        "requests": [(each.dialect, each.curl(base)) for each in REQUESTS],
    }
    return render(request, "demo/front.html", context)
