"""Where a browser lands after the click: a registered address, and what the dialect adds to it."""

import logging
from urllib.parse import urlsplit

from ... import clients
from ...engine import Opened
from ...outcomes import Verdict
from .view import DialectView

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
    if delivery.dialect and delivery.dialect not in DialectView.by_name:
        # Misspelt by whoever called the engine, or taken out of the URLs since.
        logger.warning(
            "The dialect %r is not mounted; its links redirect as without a dialect",
            delivery.dialect,
        )
    if opened.verdict is Verdict.ALREADY and not is_web(redirect.url):
        # The page with the button stayed open in front of the app: pressed again, or opened
        # again by the browser that confirmed, it has no error to report.
        return redirect.url
    dialect = DialectView.by_name.get(delivery.dialect, DialectView)
    return dialect.landing(opened, client, redirect.url)


def is_web(url: str) -> bool:
    """Return whether every browser can go to ``url`` by itself; other schemes need their app."""
    return urlsplit(url).scheme in {"http", "https"}
