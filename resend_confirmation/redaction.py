"""Keeping tokens out of what others write down: error reports, a request's repr, access logs."""

import logging
import re
from functools import cache
from typing import Any

from django.http import HttpRequest, QueryDict
from django.views.debug import SafeExceptionReporterFilter, get_default_exception_reporter_filter

#: What stands in place of a token.
SUBSTITUTE = "..."

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
#: Under the name that our links give it, and under the one of a vendor's own links.
_IN_URL = re.compile(r"([?&](?:token|confirmation)=)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")

#: Who writes requested URLs, query included: Django's development server, Gunicorn, Uvicorn, ...
ACCESS_LOGS = ("django.server", "gunicorn.access", "uvicorn.access", "hypercorn.access")


class Secret(str):
    """A text whose repr does not show it: a template's log of a missing variable is one."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Nothing of the text."""
        return SUBSTITUTE


def take_token(request: HttpRequest) -> Secret:
    """The token that ``request`` brings, which is taken off it; an empty string for none.

    A POST brings it in the body alone, every other method in the query. Afterwards neither
    ``GET``, ``POST``, ``META``, the full path nor the repr of the request has it, whoever
    reports them: Django's technical page and its mail to ADMINS show the first three in full.
    """
    request.exception_reporter_filter = _filter()
    query = request.GET
    request.GET = QueryDict("")
    request.META["QUERY_STRING"] = ""
    scope = getattr(request, "scope", None)
    if scope is not None:
        scope["query_string"] = b""
    found = [query.get("token", "")]
    try:
        if request.method == "POST":
            found.insert(0, request.POST.get("token", ""))
    finally:
        _clear_body(request)
        _clear_meta(request, [*query.values(), *found])
    return Secret(found[0])


def _clear_body(request: HttpRequest) -> None:
    request.POST = QueryDict("")
    if hasattr(request, "_body"):
        request._body = b""


def _clear_meta(request: HttpRequest, values: list[Any]) -> None:
    """Servers and proxies write the URL down under names of their own, such as RAW_URI."""
    tokens = [value for value in values if isinstance(value, str) and _TOKEN.fullmatch(value)]
    for name, text in request.META.items():
        if isinstance(text, str):
            for token in tokens:
                text = text.replace(token, SUBSTITUTE)  # noqa: PLW2901
            request.META[name] = text


def _filter() -> SafeExceptionReporterFilter:
    """The host's filter of error reports, at work under DEBUG as well."""
    host: Any = type(get_default_exception_reporter_filter())
    made: SafeExceptionReporterFilter = _unconditional(host)()
    return made


@cache
def _unconditional(host: Any) -> Any:
    return type("TokenFilter", (host,), {"is_active": lambda self, request: True})


class AccessLogFilter(logging.Filter):
    """Replaces tokens in the URLs that a server logs; the record stays."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record's text and arguments, whatever form the server gives them."""
        if isinstance(record.msg, str):
            record.msg = _without_tokens(record.msg)
        if isinstance(record.args, dict):
            # In place: Gunicorn's is a class of its own, which knows what is not in it.
            for name, value in record.args.items():
                record.args[name] = _without_tokens(value)
        elif record.args:
            record.args = tuple(_without_tokens(value) for value in record.args)
        return True


def _without_tokens(value: Any) -> Any:
    return _IN_URL.sub(rf"\1{SUBSTITUTE}", value) if isinstance(value, str) else value


def guard_access_logs() -> None:
    """Put the filter on the loggers of the servers that log through ``logging``."""
    for name in ACCESS_LOGS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, AccessLogFilter) for known in logger.filters):
            logger.addFilter(AccessLogFilter())
