"""Rendering of every answer as JSON with fixed headers; clients and hosts cannot change it."""

from rest_framework.renderers import JSONRenderer

#: Headers of every answer. Answers are private, must not be sniffed, and must not be framed.
ANSWER_HEADERS = {
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
