"""The dialects that a site mounts, and the redirect after a confirmation link."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from django.conf import settings
from django.urls import URLResolver, get_resolver, get_urlconf

from ... import clients
from ...engine import Opened
from ...outcomes import Verdict
from .views import ResendView

Dialects = Mapping[str, type[ResendView]]

logger = logging.getLogger("resend_confirmation")

#: Log message for a client or a redirect that was removed from the settings.
REMOVED = "The %s %r is no longer in CLIENTS; the browser stays on this site's own page"
#: The key in a client's ``pages`` for each verdict.
VERDICT_PAGES = {
    Verdict.CONFIRMED: "confirmed",
    Verdict.ALREADY: "confirmed",
    Verdict.EXPIRED: "expired",
    Verdict.DEAD: "failed",
}

#: The dialects of each resolver. Django keeps one resolver per URLconf.
_mounted: WeakKeyDictionary[URLResolver, Dialects] = WeakKeyDictionary()


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
            logger.warning(REMOVED, "client", delivery.client)
        return None
    page = client.pages.get(VERDICT_PAGES.get(opened.verdict, ""))
    if page:
        return page
    redirect = clients.redirect_by_id(client, delivery.redirect)
    if redirect is None:
        if delivery.redirect:
            logger.warning(REMOVED, "redirect", delivery.redirect)
        return None
    dialect = mounted_dialects().get(delivery.dialect)
    if delivery.dialect and dialect is None:
        # The caller misspelled the dialect, or it was removed from the URLconf.
        logger.warning(
            "The dialect %r is not mounted; its links redirect like links without a dialect",
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
