"""Pages of the host at the path of a call: what is only read there falls through to them."""

from contextvars import ContextVar
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect
from django.urls import Resolver404, ResolverMatch, URLPattern, get_resolver
from django.utils.module_loading import import_string

#: Methods that fall through. All others change something, and CSRF checks have passed by then.
READING = ("GET", "HEAD")
#: A path segment that no site has: a pattern that takes it takes anything.
ANY = "resend-confirmation-any-segment"

_aside: ContextVar[bool] = ContextVar("resend_confirmation_aside", default=False)


class VendorPattern(URLPattern):
    """The pattern of a call, which steps aside while the host's own pages are looked up."""

    def resolve(self, path: str) -> ResolverMatch | None:
        """Match like any pattern, or nothing while it is aside."""
        return None if _aside.get() else super().resolve(path)


def host_page(request: HttpRequest) -> HttpResponseBase | None:
    """Return the answer of the host's own page at the request's path; None without one.

    A pattern that takes any path, such as a front end's, is not a page of this one.
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
    """Return ``path`` with another last segment."""
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
    """What APPEND_SLASH does where no pattern has the path itself."""
    path = request.path_info
    if not settings.APPEND_SLASH or path.endswith("/") or not _own(request, f"{path}/"):
        return None
    return HttpResponsePermanentRedirect(request.get_full_path(force_append_slash=True))


def _login(request: HttpRequest, match: ResolverMatch) -> HttpResponseBase | None:
    """Ask LoginRequiredMiddleware again: it let the request pass, since calls need no login."""
    for name in settings.MIDDLEWARE:
        middleware = import_string(name)
        if isinstance(middleware, type) and issubclass(middleware, LoginRequiredMiddleware):
            wall = middleware(lambda request: HttpResponseBase())
            return wall.process_view(request, match.func, match.args, match.kwargs)
    return None
