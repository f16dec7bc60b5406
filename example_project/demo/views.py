"""The front page, and the landing page that stands for those of the clients."""

import json
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

from resend_confirmation import clients, conf

from . import codes, documented, tables, user_tokens
from .calls import CALLS, Call
from .languages import message_languages
from .pages import page


def front(request: HttpRequest) -> HttpResponse:
    """Render a form for each dialect, and everything that ``manage.py demo`` prints."""
    base = f"{request.scheme}://{request.get_host()}"
    known = clients.registry().clients
    context = {
        "development": settings.DEBUG,
        "languages": message_languages(),
        "redirects": sorted({redirect.url for client in known for redirect in client.redirects}),
        "account_columns": tables.ACCOUNT_COLUMNS,
        "accounts": tables.account_rows(),
        "client_columns": tables.CLIENT_COLUMNS,
        "clients": tables.client_rows(),
        "calls": [_described(call, base) for call in CALLS],
    }
    return page(request, "demo/front.html", context)


def _described(call: Call, base: str) -> dict[str, Any]:
    sets = {
        name: json.dumps(
            {field: value.replace("{site}", conf.get().BASE_URL) for field, value in values.items()}
        )
        for name, values in call.sets.items()
    }
    return {
        "dialect": call.dialect,
        "page": call.page,
        "path": call.path,
        "fields": call.fields,
        "sets": sets,
        "curl": call.curl(base),
        "documented": documented.ANSWERS[call.dialect],
    }


def landing(request: HttpRequest, name: str) -> HttpResponse:
    """Show what a client gets after the button in the message was pressed."""
    client = clients.by_name(name)
    if client is None:
        raise Http404
    given = request.GET.dict()
    code, token = given.get("code"), given.get("token")
    context = {
        "client": client.name,
        "parameters": given,
        "development": settings.DEBUG,
        "state": given.get("state"),
        "code": code,
        "code_account": codes.account_of(code, client) if code else "",
        "token": user_tokens.read(token, client) if token else None,
        "algorithm": client.signing.algorithm if client.signing else "",
    }
    return page(request, "demo/landing.html", context)
