"""Removal of tokens from error reports, a request's repr and access logs."""

import logging
import re
from functools import cache
from typing import Any, NamedTuple, cast

from django.http import HttpRequest, QueryDict
from django.utils.functional import SimpleLazyObject
from django.views.debug import SafeExceptionReporterFilter, get_default_exception_reporter_filter

from . import tokens

#: The replacement for a token.
SUBSTITUTE = "..."

#: The name of a token's parameter, its value, and the rest of the URL.
_IN_URL = re.compile(
    rf"(?P<name>{tokens.NAME.pattern})(?P<value>[^\s\"'<>&]*)(?P<rest>[^\s\"'<>]*)", re.IGNORECASE
)

#: An address in any notation, up to the next blanks.
_ADDRESS = re.compile(r'(?:"[^"]*"|\S*)(?:@|%40|\uff20)\S*', re.IGNORECASE)
#: Characters of a mail server's reply that are read, and that are kept.
_LONGEST, _SHOWN = 1000, 200

#: Loggers that write requested URLs: servers' access logs and crash reports, and Django's for pages
#: that were not found.
ACCESS_LOGS = (
    "django.request",
    "django.server",
    "granian.access",
    "gunicorn.access",
    "gunicorn.error",
    "hypercorn.access",
    "uvicorn.access",
)


class Secret(str):
    """A text with a hidden repr, as for Django's log of a missing template variable."""

    __slots__ = ()

    def __repr__(self) -> str:
        return SUBSTITUTE


class Hidden(SimpleLazyObject):  # type: ignore[type-arg]  # not generic at run time
    """A lazy wrapper that is used like the object itself, with a repr that does not show it."""

    def __init__(self, hidden: object) -> None:
        super().__init__(lambda: hidden)

    def __repr__(self) -> str:
        return SUBSTITUTE


class Taken(NamedTuple):
    """The input of a page: a token, or a text to read it from, and an address."""

    token: Secret
    address: Secret


def take(request: HttpRequest, path: str = "") -> Taken:
    """Remove the token, and an address typed into a page, from ``request``, and return both.

    A POST has the token in the body, other methods in the query. If a program encoded the question
    mark, it is in ``path``, the part behind the path of the page. Afterwards ``GET``, ``POST``,
    ``META``, the paths and the repr of the request do not contain it. Django's technical page and
    its mail to ADMINS show the first three in full.
    """
    request.exception_reporter_filter = _filter()
    query, named = request.META.get("QUERY_STRING", ""), request.GET.get("token", "")
    request.GET = QueryDict("")
    request.META["QUERY_STRING"] = ""
    scope = getattr(request, "scope", None)
    if scope is not None:
        scope["query_string"] = b""
    text, body, address = f"{path}?{query}" if path else query, "", ""
    try:
        if request.method == "POST":
            named = request.POST.get("token", "")
            text = body = named or request.POST.urlencode()
            address = request.POST.get("address", "")
    finally:
        _clear_body(request)
        if path:
            _clear_paths(request, path)
        _clear_meta(request, [query, body])
    read = tokens.candidates(text)
    return Taken(Secret(text if read and named not in read else named), Secret(address))


def _clear_body(request: HttpRequest) -> None:
    request.POST = QueryDict("")
    if hasattr(request, "_body"):
        request._body = b""


def _clear_paths(request: HttpRequest, path: str) -> None:
    """Cut off the part of the path that was read as a query."""
    for name in ("path", "path_info"):
        setattr(request, name, getattr(request, name).removesuffix(path))
    request.META["PATH_INFO"] = request.path_info
    request.resolver_match = None
    scope = getattr(request, "scope", None)
    if scope is not None:
        scope["path"], scope["raw_path"] = request.path, request.path.encode()


def _clear_meta(request: HttpRequest, texts: list[str]) -> None:
    """Remove tokens from all of META.

    Servers and proxies add the URL under names like RAW_URI.
    """
    found = {reading for text in texts for reading in tokens.candidates(text)}
    for name, text in request.META.items():
        if isinstance(text, str):
            for token in found:
                text = text.replace(token, SUBSTITUTE)  # noqa: PLW2901
            request.META[name] = without_tokens(text)


def _filter() -> SafeExceptionReporterFilter:
    """Return the host's filter of error reports, active under DEBUG as well."""
    host: Any = type(get_default_exception_reporter_filter())
    return cast("SafeExceptionReporterFilter", _unconditional(host)())


@cache
def _unconditional(host: Any) -> Any:
    return type("TokenFilter", (host,), {"is_active": lambda self, request: True})


class AccessLogFilter(logging.Filter):
    """Logging filter that replaces tokens in URLs; it drops no record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record's text and arguments, in each form that servers use."""
        if isinstance(record.msg, str):
            record.msg = without_tokens(record.msg)
        if isinstance(record.args, dict):
            # The dict is changed in place: Gunicorn's is a subclass with defaults for missing keys.
            for name, value in record.args.items():
                record.args[name] = without_tokens(value)
        elif record.args:
            record.args = tuple(without_tokens(value) for value in record.args)
        return True


def without_tokens(value: Any) -> Any:
    """Return ``value`` with possible tokens replaced, if it is a string."""
    return _IN_URL.sub(_hide, value) if isinstance(value, str) else value


def without_addresses(text: str, address: str) -> str:
    """Return a mail server's reply without addresses, tokens and control characters, shortened.

    The local part of ``address`` is left out too, since servers quote it without the domain.
    """
    start = text if len(text) <= _LONGEST else text[:_LONGEST].rpartition(" ")[0]
    line = " ".join("".join(c if c.isprintable() else " " for c in start).split())
    line = _ADDRESS.sub(SUBSTITUTE, without_tokens(line))
    if local := address.rpartition("@")[0]:
        name = rf"(?<![\w.-]){re.escape(local)}(?![\w-])"
        line = re.sub(name, SUBSTITUTE, line, flags=re.IGNORECASE)
    return line[:_SHOWN]


def _hide(found: re.Match[str]) -> str:
    """Replace the parameter's value, or all that follows if the token continues behind it."""
    if tokens.candidates(found["value"]):
        return f"{found['name']}{SUBSTITUTE}{found['rest']}"
    if tokens.candidates(found["value"] + found["rest"]):
        return f"{found['name']}{SUBSTITUTE}"
    return found[0]


def guard_access_logs() -> None:
    """Add the filter to the loggers of servers that use ``logging``."""
    for name in ACCESS_LOGS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, AccessLogFilter) for known in logger.filters):
            logger.addFilter(AccessLogFilter())
