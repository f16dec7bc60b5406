"""A vendor's path, exactly, and with one trailing slash as well; nobody is redirected."""

from collections.abc import Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any

from django.http import HttpRequest
from django.urls import URLPattern, path, re_path

from .call import Call

Forms = Mapping[str, type[Call]]

_NONE: Forms = MappingProxyType({})


def routes(
    route: str, view: type[Call], name: str, *, header: str = "", forms: Forms = _NONE
) -> list[Any]:
    """URL patterns for ``route``, which has no trailing slash; only the first is documented.

    Where a request's ``header`` is a key of ``forms`` that class answers it, refusals and all;
    every other request is ``view``'s. Clients repeat a redirected POST as GET and report
    success, hence no ``APPEND_SLASH``.
    """
    exact: URLPattern = path(route, _choice(view, header, forms), name=name)
    slashed = _choice(view, header, forms, schema=None)
    # Django warns of a route that begins with a slash, which that of the root would.
    return [exact, path(f"{route}/", slashed) if route else re_path(r"^[/]\Z", slashed)]


def _choice(view: type[Call], header: str, forms: Forms, **initial: Any) -> Any:
    """A view that lets ``header`` choose; for Django and drf-spectacular it is ``view``'s."""
    if not forms:
        return view.as_view(**initial)
    otherwise = view.as_view(forms=tuple(dict.fromkeys((view, *forms.values()))), **initial)
    chosen = {value: form.as_view() for value, form in forms.items()}

    @wraps(otherwise)
    def choose(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = chosen.get(request.headers.get(header, ""), otherwise)
        return form(request, *args, **kwargs)

    return choose
