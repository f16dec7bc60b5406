"""URL patterns of dialects, the dialects that a site mounts, and the redirect after a link."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from django.conf import settings
from django.http import HttpRequest
from django.urls import URLResolver, get_resolver, get_urlconf, path, re_path

from ... import clients
from ...engine import Opened
from ...outcomes import Verdict
from .host_pages import READING, VendorPattern, host_page
from .vendor_view import VendorView
from .views import ResendView

Variants = Mapping[str, type[VendorView]]
Dialects = Mapping[str, type[ResendView]]

_NONE: Variants = MappingProxyType({})

logger = logging.getLogger("resend_confirmation")

#: Log message for a client or a redirect that was removed from the settings.
GONE = "The %s %r is no longer in CLIENTS; the browser stays on this site's own page"
#: The key in a client's ``pages`` for each verdict.
PAGES = {
    Verdict.CONFIRMED: "confirmed",
    Verdict.ALREADY: "confirmed",
    Verdict.EXPIRED: "expired",
    Verdict.DEAD: "failed",
}

#: The dialects of each resolver. Django keeps one resolver per URLconf.
_mounted: WeakKeyDictionary[URLResolver, Dialects] = WeakKeyDictionary()


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
    other = _choice(view, header, variants, schema=None)
    patterns = [path(route, _choice(view, header, variants) if name else other, name=name or None)]
    if slashed:
        # The root's route would be a single slash, and Django warns of routes that begin with one.
        patterns.append(path(f"{route}/", other) if route else re_path(r"^[/]\Z", other))
    if "/" in route and "<" not in route:
        parts = "[/]+".join(re.escape(part) for part in route.split("/"))
        patterns.append(re_path(rf"^[/]*{parts}{'[/]?' if slashed else ''}\Z", other))
    return [VendorPattern(p.pattern, p.callback, p.default_args, p.name) for p in patterns]


def _choice(view: type[VendorView], header: str, variants: Variants, **initial: Any) -> Any:
    """Return a view that picks the class by ``header``; Django and drf-spectacular see ``view``."""
    if variants:
        initial["variants"] = tuple(dict.fromkeys((view, *variants.values())))
    otherwise = view.as_view(**initial)
    chosen = {value: variant.as_view() for value, variant in variants.items()}

    @wraps(otherwise)
    def choose(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method in READING and view.method != "get":
            page = host_page(request)
            if page is not None:
                return page
        variant = chosen.get(request.headers.get(header, ""), otherwise)
        return variant(request, *args, **kwargs)

    return choose


def callbacks(patterns: Iterable[Any] | None = None) -> Iterator[Any]:
    """Yield the view function of every URL of the site, or of ``patterns``, in their order."""
    if patterns is None:
        patterns = get_resolver().url_patterns if _has_urls() else ()
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from callbacks(pattern.url_patterns)
        else:
            yield pattern.callback


def dialects_at(callback: Any) -> Dialects:
    """Return the dialects that answer at ``callback``; a variant counts if its name differs."""
    classes = (
        getattr(callback, "cls", None),
        *getattr(callback, "initkwargs", {}).get("variants", ()),
    )
    found: dict[str, type[ResendView]] = {}
    for view in classes:
        if isinstance(view, type) and issubclass(view, ResendView):
            found.setdefault(view.dialect, view)
    return found


def mounted_dialects() -> Dialects:
    """Return the dialects of the site by name, read from its URLs.

    Of several classes with one name, the first counts. In a request with a separate URLconf, its
    dialects count too.
    """
    if not _has_urls():
        return {}
    return {**_mounted_in(get_resolver(get_urlconf())), **_mounted_in(get_resolver())}


def _has_urls() -> bool:
    return bool(getattr(settings, "ROOT_URLCONF", None))


def _mounted_in(resolver: URLResolver) -> Dialects:
    if (known := _mounted.get(resolver)) is not None:
        return known
    found: dict[str, type[ResendView]] = {}
    for callback in callbacks(resolver.url_patterns):
        found = {**dialects_at(callback), **found}
    _mounted[resolver] = found
    return found


def landing_of(opened: Opened) -> str | None:
    """Return the URL to redirect to after a link was opened, or None to stay on our own page.

    The client's page for the verdict has precedence; without one, the dialect decides. Only
    registered URLs are used. The browser stays on our page if the link is not genuine, or if its
    client or redirect is missing or no longer registered.
    """
    delivery = opened.delivery
    if delivery is None:
        return None
    client = clients.by_name(delivery.client)
    if client is None:
        if delivery.client:
            logger.warning(GONE, "client", delivery.client)
        return None
    page = client.pages.get(PAGES.get(opened.verdict, ""))
    if page:
        return page
    redirect = clients.redirect_by_id(client, delivery.redirect)
    if redirect is None:
        if delivery.redirect:
            logger.warning(GONE, "redirect", delivery.redirect)
        return None
    dialect = mounted_dialects().get(delivery.dialect)
    if delivery.dialect and dialect is None:
        # The caller misspelled the dialect, or it was removed from the URLconf.
        logger.warning(
            "The dialect %r is not mounted; its links redirect as without a dialect",
            delivery.dialect,
        )
    if opened.verdict is Verdict.ALREADY and not is_web(redirect.url):
        # The redirect opened an app, and our page is still open in the browser. Pressing its
        # button or loading it again is not an error, so the app gets the plain redirect.
        return redirect.url
    return (dialect or ResendView).landing(opened, client, redirect.url)


def is_web(url: str) -> bool:
    """Return whether any browser can open ``url``; other schemes need an app."""
    return urlsplit(url).scheme in {"http", "https"}
