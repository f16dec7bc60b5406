"""Where a browser lands after the click: a registered address, and what the dialect adds to it."""

from urllib.parse import urlencode, urlsplit, urlunsplit

from ... import clients
from ...engine import Opened
from ...outcomes import Verdict
from .view import DialectView

#: Which of a client's own pages stands for which verdict.
PAGES = {
    Verdict.CONFIRMED: "confirmed",
    Verdict.ALREADY: "confirmed",
    Verdict.EXPIRED: "expired",
    Verdict.DEAD: "failed",
}


def with_parameters(url: str, **parameters: str) -> str:
    """``url`` with ``parameters`` behind those already in its query; empty ones are left out."""
    given = {name: value for name, value in parameters.items() if value}
    if not given:
        return url
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(given))))
    return urlunsplit(parts._replace(query=query))


def landing_of(opened: Opened) -> str | None:
    """Where the browser goes after a genuine link; only ever a registered address.

    A client's own page for the verdict goes first, then its dialect decides. None when nothing
    is registered, or no longer: then our own page is the end.
    """
    delivery = opened.delivery
    client = clients.by_name(delivery.client) if delivery else None
    if delivery is None or client is None:
        return None
    page = client.pages.get(PAGES.get(opened.verdict, ""))
    if page:
        return page
    redirect = clients.redirect_by_id(client, delivery.redirect)
    if redirect is None:
        return None
    dialect = DialectView.by_name.get(delivery.dialect, DialectView)
    return dialect.landing(opened, client, redirect.url)
