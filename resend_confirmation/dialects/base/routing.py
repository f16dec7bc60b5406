"""A vendor's path, exactly, and with one trailing slash as well; nobody is redirected."""

from typing import Any

from django.urls import URLPattern, path

from .view import DialectView


def routes(route: str, view: type[DialectView], name: str) -> list[Any]:
    """URL patterns for ``route``, which has no trailing slash; only the first is documented.

    Clients repeat a redirected POST as GET and report success, hence no ``APPEND_SLASH``.
    """
    exact: URLPattern = path(route, view.as_view(), name=name)
    return [exact, path(f"{route}/", view.as_view(schema=None))]
