"""The host's own pages at a dialect's path: GET and HEAD requests fall through to them."""

from contextvars import ContextVar
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect
from django.urls import Resolver404, ResolverMatch, URLPattern, get_resolver
from django.utils.module_loading import import_string

#: Methods that fall through. All others change data, and Django has already skipped the CSRF check:
#: dialects' views are exempt from it.
READING = ("GET", "HEAD")
#: A path segment that no site uses. A pattern that matches it matches any segment.
ANY = "resend-confirmation-any-segment"

_aside: ContextVar[bool] = ContextVar("resend_confirmation_aside", default=False)


class VendorPattern(URLPattern):
    """A dialect's URL pattern, which is disabled while the host's own pages are looked up."""

    def resolve(self, path: str) -> ResolverMatch | None:
        """Return the match, or None while the pattern is disabled."""
        return None if _aside.get() else super().resolve(path)


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
    """Return ``path`` with ANY as its last segment."""
    stem = path.rstrip("/")
    return f"{stem.rpartition('/')[0]}/{ANY}{path[len(stem) :]}"


def _own(request: HttpRequest, path: str) -> ResolverMatch | None:
    urlconf = getattr(request, "urlconf", None)
    match = _resolve(path, urlconf)
    other = _resolve(sibling(path), urlconf) if match else None
    is_page = match and (other is None or (other.func, other.route) != (match.func, match.route))
    return match if is_page else None


def _resolve(path: str, urlconf: Any) -> ResolverMatch | None:
    token = _aside.set(True)
    try:
        return get_resolver(urlconf).resolve(path)
    except Resolver404:
        return None
    finally:
        _aside.reset(token)


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
