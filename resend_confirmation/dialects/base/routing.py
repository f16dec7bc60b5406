"""A vendor's path, exactly, and with slashes that clients add, without redirects."""

import re
from collections.abc import Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any

from django.http import HttpRequest
from django.urls import path, re_path

from .call import Call
from .pages import READING, CallPattern, host_page

Forms = Mapping[str, type[Call]]

_NONE: Forms = MappingProxyType({})


def routes(
    route: str,
    view: type[Call],
    name: str = "",
    *,
    header: str = "",
    forms: Forms = _NONE,
    slashed: bool = True,
) -> list[Any]:
    """URL patterns for ``route``, which has no trailing slash; only the first is documented.

    Without a ``name`` none is. A slash may stand at the end, and several where there is one: a
    base URL that ends in a slash makes clients send two.

    Where a request's ``header`` is a key of ``forms`` that class answers it, refusals and all;
    every other request is ``view``'s. Clients repeat a redirected POST as GET and report
    success, hence no ``APPEND_SLASH``. ``slashed`` False leaves the path with a trailing slash
    to a package that has a form there. A GET at the path of a POST is for the host's own page,
    if there is one.
    """
    other = _choice(view, header, forms, schema=None)
    patterns = [path(route, _choice(view, header, forms) if name else other, name=name or None)]
    if slashed:
        # Django warns of a route that begins with a slash, which that of the root would.
        patterns.append(path(f"{route}/", other) if route else re_path(r"^[/]\Z", other))
    if "/" in route and "<" not in route:
        parts = "[/]+".join(re.escape(part) for part in route.split("/"))
        patterns.append(re_path(rf"^[/]*{parts}{'[/]?' if slashed else ''}\Z", other))
    return [CallPattern(p.pattern, p.callback, p.default_args, p.name) for p in patterns]


def _choice(view: type[Call], header: str, forms: Forms, **initial: Any) -> Any:
    """A view that lets ``header`` choose; for Django and drf-spectacular it is ``view``'s."""
    if forms:
        initial["forms"] = tuple(dict.fromkeys((view, *forms.values())))
    otherwise = view.as_view(**initial)
    chosen = {value: form.as_view() for value, form in forms.items()}

    @wraps(otherwise)
    def choose(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method in READING and view.method != "get":
            page = host_page(request)
            if page is not None:
                return page
        form = chosen.get(request.headers.get(header, ""), otherwise)
        return form(request, *args, **kwargs)

    return choose
