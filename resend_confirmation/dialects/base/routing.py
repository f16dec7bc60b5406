"""URL patterns of dialects; GET and HEAD requests fall through to the host's own pages there."""

import re
from collections.abc import Mapping
from copy import copy
from functools import wraps
from inspect import iscoroutinefunction
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect
from django.urls import Resolver404, ResolverMatch, URLResolver, get_resolver, path, re_path
from django.utils.module_loading import import_string

from .views import VendorView

Variants = Mapping[str, type[VendorView]]

_NONE: Variants = MappingProxyType({})

#: The end of a pattern with an optional trailing slash.
OPTIONAL_SLASH = r"[/]?\Z"

#: A path segment that no site uses. A pattern that matches it matches any segment.
_ANY = "resend-confirmation-any-segment"

#: The host's own patterns of each resolver. Django keeps one resolver per URLconf.
_own_resolvers: WeakKeyDictionary[URLResolver, URLResolver] = WeakKeyDictionary()


def routes(
    route: str,
    view: type[VendorView],
    name: str = "",
    *,
    header: str = "",
    variants: Variants = _NONE,
    slashed: bool = True,
) -> list[Any]:
    """Return URL patterns for ``route``, which has no trailing slash.

    Only the first pattern is in the OpenAPI document, and only if it has a ``name``. A trailing
    slash is optional. A route of several parts without parameters also matches repeated slashes:
    clients send two slashes if their base URL ends in one.

    If the value of a request's ``header`` is a key of ``variants``, that class answers the
    request, errors included. ``view`` answers all other requests.

    The patterns match the slash themselves instead of relying on ``APPEND_SLASH``: clients repeat
    a redirected POST as GET and report success. With ``slashed=False``, the path with a trailing
    slash is left to a package that has a page there. A GET at the path of a POST goes to the
    host's own page, if there is one.
    """
    other = unlisted(_choice(view, header, variants))
    documented = [path(route, _choice(view, header, variants), name=name)] if name else []
    if "<" in route:
        spellings = [route, f"{route}/"] if slashed else [route]
        return documented + [path(each, other) for each in spellings[len(documented) :]]
    # One pattern for all other spellings: each pattern costs every request that it does not match.
    parts = "[/]+".join(re.escape(part) for part in route.split("/"))
    before, after = "[/]*" if "/" in route else "", OPTIONAL_SLASH if slashed else r"\Z"
    return [*documented, re_path(f"^{before}{parts}{after}", other)]


def unlisted(view_function: Any) -> Any:
    """Leave a view function out of the OpenAPI document, and return it.

    ``as_view(schema=None)`` does so too, but loads drf-spectacular.
    """
    view_function.initkwargs["schema"] = None
    return view_function


def _choice(view: type[VendorView], header: str, variants: Variants) -> Any:
    """Return a view that picks the class by ``header``; Django and drf-spectacular see ``view``."""
    if not variants:
        return _view_of(view)
    otherwise = _view_of(view, variants=tuple(dict.fromkeys((view, *variants.values()))))
    chosen = {value: _view_of(variant) for value, variant in variants.items()}

    @wraps(otherwise)
    def choose(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        variant = chosen.get(request.headers.get(header, ""), otherwise)
        return variant(request, *args, **kwargs)

    return choose


def _view_of(view: type[VendorView], **initial: Any) -> Any:
    """Return the view function; if the class takes no GET, those go to the host's own page."""
    return view.as_view(**initial, host_page=None if view.method == "get" else host_page)


def is_dialect(callback: Any) -> bool:
    """Return whether the view function ``callback`` is that of a dialect."""
    view = getattr(callback, "cls", None)
    return isinstance(view, type) and issubclass(view, VendorView)


def host_page(request: HttpRequest) -> HttpResponseBase | None:
    """Return the response of the host's own page at the request's path, or None without one.

    A pattern that matches any path, such as that of a front end, does not count.
    """
    match = _own(request, request.path_info)
    if match is None:
        return _with_slash(request)
    request.resolver_match = match
    if refused := _login(request, match):
        return refused
    view: Any = match.func
    if iscoroutinefunction(view):
        view = async_to_sync(view)
    response: HttpResponseBase = view(request, *match.args, **match.kwargs)
    return response


def sibling(path: str) -> str:
    """Return ``path`` with an unused name as its last segment."""
    stem = path.rstrip("/")
    return f"{stem.rpartition('/')[0]}/{_ANY}{path[len(stem) :]}"


def _own(request: HttpRequest, path: str) -> ResolverMatch | None:
    urlconf = getattr(request, "urlconf", None)
    match = _resolve(path, urlconf)
    other = _resolve(sibling(path), urlconf) if match else None
    is_page = match and (other is None or (other.func, other.route) != (match.func, match.route))
    return match if is_page else None


def _resolve(path: str, urlconf: Any) -> ResolverMatch | None:
    resolver = get_resolver(urlconf)
    if (own := _own_resolvers.get(resolver)) is None:
        own = _own_resolvers[resolver] = _without_dialects(resolver)
    try:
        return own.resolve(path)
    except Resolver404:
        return None


def _without_dialects(resolver: URLResolver) -> URLResolver:
    """Return a copy of ``resolver`` that has no pattern of a dialect."""
    patterns: list[Any] = []
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            patterns.append(_without_dialects(pattern))
        elif not is_dialect(pattern.callback):
            patterns.append(pattern)
    own = copy(resolver)
    # Replace the value of the cached property.
    vars(own)["url_patterns"] = patterns
    return own


def _with_slash(request: HttpRequest) -> HttpResponseBase | None:
    """Redirect as APPEND_SLASH does, if the host has a page at the path with a slash."""
    path = request.path_info
    if not settings.APPEND_SLASH or path.endswith("/") or not _own(request, f"{path}/"):
        return None
    return HttpResponsePermanentRedirect(request.get_full_path(force_append_slash=True))


def _login(request: HttpRequest, match: ResolverMatch) -> HttpResponseBase | None:
    """Call LoginRequiredMiddleware for the host's page: so far it saw our view, which is exempt."""
    for name in settings.MIDDLEWARE:
        middleware = import_string(name)
        if isinstance(middleware, type) and issubclass(middleware, LoginRequiredMiddleware):
            wall = middleware(lambda request: HttpResponseBase())
            return wall.process_view(request, match.func, match.args, match.kwargs)
    return None
