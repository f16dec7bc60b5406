"""Rendering of every answer as JSON with fixed headers; clients and hosts cannot change it."""

from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

#: Headers of every answer. Answers are private, must not be sniffed, and must not be framed.
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class VendorJSONRenderer(JSONRenderer):
    """A JSON renderer that ignores the host's settings for its own API."""

    # Non-ASCII characters are escaped, so that a lone surrogate in the input can be echoed.
    ensure_ascii = True
    compact = True
    strict = True


class AlwaysJSON(BaseContentNegotiation):
    """Content negotiation that always selects the vendor's JSON and ignores ``Accept``."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Select no parser: bodies are read by ``parsing.read``."""
        return None

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type
