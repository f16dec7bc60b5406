"""Tokens: the secret in a confirmation link, derived again whenever it is needed, never stored."""

import base64
import hashlib
import secrets

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

#: Characters of a token: 32 bytes in base64url without padding.
LENGTH = 43

_SALT = "resend_confirmation.link"


def new_selector() -> str:
    """A random name for a confirmation, 32 hexadecimal digits; replacing it kills all links."""
    return secrets.token_hex(16)


def make(selector: str, generation: int, address: str) -> str:
    """The token of one generation of links to ``address``, which is canonical."""
    return _make(settings.SECRET_KEY, selector, generation, address)


def make_all(selector: str, generation: int, address: str) -> list[str]:
    """The same token under SECRET_KEY and each of SECRET_KEY_FALLBACKS."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [_make(key, selector, generation, address) for key in keys]


def _make(key: str | bytes, selector: str, generation: int, address: str) -> str:
    value = f"v1|{selector}|{generation}|{address}"
    mac = salted_hmac(_SALT, value, secret=key, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")


def digest(token: str) -> str:
    """SHA-256 of a token, 64 hexadecimal digits: all that the database knows of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def matches(token: str, selector: str, generation: int, address: str) -> bool:
    """Whether ``token`` is that of the generation, under any key that is still accepted."""
    made = make_all(selector, generation, address)
    return any(constant_time_compare(token, candidate) for candidate in made)
