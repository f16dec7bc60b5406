"""Tokens: the secret in a confirmation link, derived each time it is needed and never stored."""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator
from html import unescape
from urllib.parse import unquote

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

#: Length of a token in characters: 32 bytes in base64url without padding.
LENGTH = 43

#: The parameter's name, in our links and in vendors', with the separator after it. The separator
#: may be plain, percent-encoded once or more, or an HTML entity. No word character may precede the
#: name, except in an encoded ``?`` or ``&``.
NAME = re.compile(
    r"(?:(?<![A-Za-z0-9_-])|(?<=3F)|(?<=26))(?:token|confirmation)"
    r"(?:=|:|%(?:25)*3[AD]|&(?:#61|equals);|%26(?:%23|#)61%3B)",
    re.IGNORECASE,
)

_SALT = "resend_confirmation.link"
_OTHERS = re.compile(r"[^A-Za-z0-9_-]+")
#: The semicolon is required: without it, letters of the token could be read as part of the entity.
_ENTITY = re.compile(r"&(?:#\w+|\w+);")
#: An octet in quoted-printable text that was not decoded (RFC 2045, section 6.7).
_OCTET = re.compile(r"=([0-9A-F]{2})")
#: Limits: characters that are read, rounds of percent-decoding, candidates of a text.
_LONGEST, _ROUNDS, _READINGS = 4096, 4, 32


def new_selector() -> str:
    """Return a random name for a confirmation, in hexadecimal; a new one invalidates its links."""
    return secrets.token_hex(16)


def make(selector: str, generation: int, address: str) -> str:
    """Return the token of one generation of links to ``address``, which is canonical."""
    return _make(settings.SECRET_KEY, selector, generation, address)


def make_all(selector: str, generation: int, address: str) -> list[str]:
    """Return the token under SECRET_KEY and under each of SECRET_KEY_FALLBACKS."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [_make(key, selector, generation, address) for key in keys]


def _make(key: str | bytes, selector: str, generation: int, address: str) -> str:
    value = f"v1|{selector}|{generation}|{address}"
    mac = salted_hmac(_SALT, value, secret=key, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")


def digest(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal; the database stores only this."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def candidates(text: str) -> list[str]:
    """Return the tokens that ``text`` may stand for, the likeliest first.

    ``text`` is a token, a query or a URL as mail programs and people pass it on. It may be encoded
    again, broken by blanks and line ends, and have other characters before and after it. Several
    candidates are safe, since only a token with a stored digest is accepted.
    """
    found: dict[str, None] = {}
    for form in _forms(text[:_LONGEST]):
        ends = [match.end() for match in NAME.finditer(form)][-3:]
        tails = [_OTHERS.sub("", form[end:]) for end in reversed(ends)]
        whole = _OTHERS.sub("", form)
        for tail in tails or [whole]:
            found[tail[:LENGTH]] = None
            if tail.startswith("3D"):
                found[tail[2 : LENGTH + 2]] = None
        # The token is at the end of our links, so it is found even if the name was damaged.
        found[whole[-LENGTH:]] = None
    return [reading for reading in found if len(reading) == LENGTH][:_READINGS]


def _forms(text: str) -> Iterator[str]:
    """Yield ``text`` unchanged and decoded, in case programs encoded it."""
    for _ in range(_ROUNDS):
        yield from (text, _ENTITY.sub(lambda match: unescape(match[0]), text))
        yield _OCTET.sub(lambda match: chr(int(match[1], 16)), text)
        decoded = unquote(text)
        if decoded == text:
            return
        text = decoded


def matches(token: str, selector: str, generation: int, address: str) -> bool:
    """Return whether ``token`` is that of the generation, under any key that is accepted."""
    made = make_all(selector, generation, address)
    return any(constant_time_compare(token, candidate) for candidate in made)
