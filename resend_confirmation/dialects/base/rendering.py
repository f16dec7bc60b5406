"""The form of every answer: one JSON, one set of headers, whatever the client or host prefer."""

from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

#: On every answer: it belongs to one caller, is what it says it is, and is no page of anybody's.
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class VendorJSONRenderer(JSONRenderer):
    """JSON in one form, whatever the host set for its own API."""

    # Escaped, so that a lone surrogate that came in can go out again.
    ensure_ascii = True
    compact = True
    strict = True


class AlwaysJSON(BaseContentNegotiation):
    """The vendor's JSON, whatever the client says it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """No parser: bodies are read by the dialect's own declaration."""
        return None

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """The one renderer there is."""
        return renderers[0], renderers[0].media_type
