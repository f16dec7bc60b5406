"""URLs of the pages that links open, on the base URL of the site or of a client."""

from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus, urlencode

from django.conf import settings as django_settings
from django.urls import get_script_prefix, reverse, set_script_prefix
from django.utils import translation

from .. import conf
from ..clients import Client


def link(token: str, client: Client | None = None) -> str:
    """Return the link to the client's page for it, or to our page if the client has none."""
    own = client.pages.get("confirm") if client else None
    return with_parameters(own, token=token) if own else page(token, client)


def page(token: str, client: Client | None = None) -> str:
    """Return the link to our page, on the base URL of the client or the site.

    The Host header of a request is never used. Under ``i18n_patterns`` the link is in the active
    language.
    """
    return with_parameters(f"{base_url(client)}{_path()}", token=token)


def base_url(client: Client | None) -> str:
    """Return the base URL of the site: the client's, or the one in the settings."""
    return (client.base_url if client else "") or conf.get().BASE_URL


def _path() -> str:
    """Return the path of our page on the site, the same in every thread of every process.

    The thread's script prefix and URLconf are not used: they may be left from its last request or
    from a command, or be unset.
    """
    urlconf, prefix = django_settings.ROOT_URLCONF, django_settings.FORCE_SCRIPT_NAME or ""
    return _path_in(translation.get_language(), urlconf, prefix)


@lru_cache
def _path_in(language: str | None, urlconf: Any, prefix: str) -> str:
    """Return the path in the active language; resolving it takes as long as a statement."""
    before = get_script_prefix()
    set_script_prefix(f"/{prefix.lstrip('/')}")
    try:
        return reverse("resend_confirmation:confirm", urlconf=urlconf)
    finally:
        set_script_prefix(before)


def with_parameters(url: str, **parameters: str) -> str:
    """Return ``url`` with ``parameters`` in its query; empty ones are left out.

    A parameter that the query already has is replaced, since readers differ in which of two they
    take. The rest of ``url``, with its fragment, stays exactly as registered.
    """
    given = {name: value for name, value in parameters.items() if value}
    if not given:
        return url
    # The URL is split by hand, since ``urlunsplit`` turns 'app:///a' into 'app:/a'.
    front, mark, fragment = url.partition("#")
    address, _, query = front.partition("?")
    kept = [part for part in query.split("&") if part and _name(part) not in given]
    return f"{address}?{'&'.join([*kept, urlencode(given)])}{mark}{fragment}"


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0])
