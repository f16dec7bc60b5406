"""The site or a client, as its messages and pages present it."""

from urllib.parse import urlsplit

from .. import conf
from ..clients import Client, looks
from .page_urls import base_url


def variables(client: Client | None) -> dict[str, str]:
    """Return the variables of templates for the client's name, support, logo and colour."""
    site = base_url(client)
    accent = (client.accent if client else "") or looks.ACCENT
    return {
        "site": site,
        "site_name": (client.title if client else "") or conf.get().SITE_NAME or _host(site),
        "support_url": client.support_url if client else "",
        "logo": client.logo if client else "",
        "accent": accent,
        "accent_text": looks.text_colour(accent),
    }


def _host(site: str) -> str:
    return urlsplit(site).netloc
