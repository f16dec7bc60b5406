"""URL patterns of dialects, the dialects that are mounted, and where browsers land."""

import logging
import re
from collections.abc import Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.urls import path, re_path

from ... import clients
from ...engine import Opened
from ...outcomes import Verdict
from .host_pages import READING, VendorPattern, host_page
from .vendor_view import VendorView
from .views import ResendView

Variants = Mapping[str, type[VendorView]]

_NONE: Variants = MappingProxyType({})

logger = logging.getLogger("resend_confirmation")

#: What is said of a client or redirect that was taken out of the settings.
GONE = "The %s %r is no longer in CLIENTS; the browser stays on this site's own page"
#: Which of a client's own pages stands for which verdict.
PAGES = {
    Verdict.CONFIRMED: "confirmed",
    Verdict.ALREADY: "confirmed",
    Verdict.EXPIRED: "expired",
    Verdict.DEAD: "failed",
}


def routes(
    route: str,
    view: type[VendorView],
    name: str = "",
    *,
    header: str = "",
    variants: Variants = _NONE,
    slashed: bool = True,
) -> list[Any]:
    """URL patterns for ``route``, which has no trailing slash; only the first is documented.

    Without a ``name`` none is. A slash may stand at the end, and several where there is one: a
    base URL that ends in a slash makes clients send two.

    Where a request's ``header`` is a key of ``variants`` that class answers it, refusals and all;
    every other request is ``view``'s. Clients repeat a redirected POST as GET and report
    success, hence no ``APPEND_SLASH``. ``slashed`` False leaves the path with a trailing slash
    to a package that has a page there. A GET at the path of a POST is for the host's own page,
    if there is one.
    """
    other = _choice(view, header, variants, schema=None)
    patterns = [path(route, _choice(view, header, variants) if name else other, name=name or None)]
    if slashed:
        # Django warns of a route that begins with a slash, which that of the root would.
        patterns.append(path(f"{route}/", other) if route else re_path(r"^[/]\Z", other))
    if "/" in route and "<" not in route:
        parts = "[/]+".join(re.escape(part) for part in route.split("/"))
        patterns.append(re_path(rf"^[/]*{parts}{'[/]?' if slashed else ''}\Z", other))
    return [VendorPattern(p.pattern, p.callback, p.default_args, p.name) for p in patterns]


def _choice(view: type[VendorView], header: str, variants: Variants, **initial: Any) -> Any:
    """A view that lets ``header`` choose; for Django and drf-spectacular it is ``view``'s."""
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


def landing_of(opened: Opened) -> str | None:
    """Where the browser goes after a genuine link; only ever a registered address.

    A client's own page for the verdict goes first, then its dialect decides. None when nothing
    is registered, or no longer: then our own page is the end.
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
    if delivery.dialect and delivery.dialect not in ResendView.by_name:
        # Misspelt by whoever called the engine, or taken out of the URLs since.
        logger.warning(
            "The dialect %r is not mounted; its links redirect as without a dialect",
            delivery.dialect,
        )
    if opened.verdict is Verdict.ALREADY and not is_web(redirect.url):
        # The page with the button stayed open in front of the app: pressed again, or opened
        # again by the browser that confirmed, it has no error to report.
        return redirect.url
    dialect = ResendView.by_name.get(delivery.dialect, ResendView)
    return dialect.landing(opened, client, redirect.url)


def is_web(url: str) -> bool:
    """Return whether every browser can go to ``url`` by itself; other schemes need their app."""
    return urlsplit(url).scheme in {"http", "https"}
