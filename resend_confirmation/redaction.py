"""Keeping tokens out of what others write down: error reports, a request's repr, access logs."""

import logging
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django.http import HttpRequest, QueryDict
from django.utils.functional import SimpleLazyObject
from django.views.debug import SafeExceptionReporterFilter, get_default_exception_reporter_filter

from . import tokens

if TYPE_CHECKING:
    LazyObject = SimpleLazyObject[Any]
else:
    LazyObject = SimpleLazyObject

#: What stands in place of a token.
SUBSTITUTE = "..."

#: A token's name in a text, then the rest of its parameter and of the URL.
_IN_URL = re.compile(
    rf"(?P<name>{tokens.NAME.pattern})(?P<value>[^\s\"'<>&]*)(?P<rest>[^\s\"'<>]*)", re.IGNORECASE
)

#: Who writes requested URLs: servers, in their access logs and where a request crashes, and Django
#: where a page was not found.
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
    """A text whose repr does not show it: a template's log of a missing variable is one."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Nothing of the text."""
        return SUBSTITUTE


class Hidden(LazyObject):
    """An object whose repr does not show it, and that is used like the object itself."""

    def __init__(self, hidden: object) -> None:
        super().__init__(lambda: hidden)

    def __repr__(self) -> str:
        """Nothing of the object."""
        return SUBSTITUTE


def hide(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with texts that a repr does not show."""
    return {name: Secret(v) if isinstance(v, str) else v for name, v in values.items()}


class Taken(NamedTuple):
    """What a request to a page brought: a token, or a text to read it from; an address."""

    token: Secret
    address: Secret


def take(request: HttpRequest, path: str = "") -> Taken:
    """Take the token off ``request``, and the address that somebody typed into a page.

    A POST brings it in the body alone, every other method in the query, or in the ``path`` behind
    the page's own where a program encoded the question mark. Afterwards neither ``GET``, ``POST``,
    ``META``, the paths nor the repr of the request has it, whoever reports them: Django's
    technical page and its mail to ADMINS show the first three in full.
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
    read = tokens.readings(text)
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
    """Servers and proxies write the URL down under names of their own, such as RAW_URI."""
    found = {reading for text in texts for reading in tokens.readings(text)}
    for name, text in request.META.items():
        if isinstance(text, str):
            for token in found:
                text = text.replace(token, SUBSTITUTE)  # noqa: PLW2901
            request.META[name] = without_tokens(text)


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
            record.msg = without_tokens(record.msg)
        if isinstance(record.args, dict):
            # In place: Gunicorn's is a class of its own, which knows what is not in it.
            for name, value in record.args.items():
                record.args[name] = without_tokens(value)
        elif record.args:
            record.args = tuple(without_tokens(value) for value in record.args)
        return True


def without_tokens(value: Any) -> Any:
    """Return ``value`` with what may be read as a token replaced, if it is a string."""
    return _IN_URL.sub(_hide, value) if isinstance(value, str) else value


def _hide(found: re.Match[str]) -> str:
    """Replace the parameter's value, or all that follows where the token goes on behind it."""
    if tokens.readings(found["value"]):
        return f"{found['name']}{SUBSTITUTE}{found['rest']}"
    if tokens.readings(found["value"] + found["rest"]):
        return f"{found['name']}{SUBSTITUTE}"
    return found[0]


def guard_access_logs() -> None:
    """Put the filter on the loggers of the servers that log through ``logging``."""
    for name in ACCESS_LOGS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, AccessLogFilter) for known in logger.filters):
            logger.addFilter(AccessLogFilter())
