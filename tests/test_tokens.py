"""Tokens: derived from key, selector, generation and address."""

import base64
import hashlib
import hmac
import re

import pytest

from resend_confirmation import tokens

SELECTOR = "0123456789abcdef0123456789abcdef"


def by_hand(key: str, selector: str, generation: int, address: str) -> str:
    """Compute a token by the design's formula, with Django's derivation of the key."""
    derived = hashlib.sha256(("resend_confirmation.link" + key).encode()).digest()
    text = f"v1|{selector}|{generation}|{address}"
    mac = hmac.new(derived, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


@pytest.mark.parametrize("address", ["jane@example.com", "gr\u00fcsse@xn--bcher-kva.example"])
@pytest.mark.parametrize("generation", [0, 1, 4_000_000_000])
def test_formula(settings, address, generation):
    """A token is base64url of HMAC-SHA256 over version, selector, generation and address."""
    settings.SECRET_KEY = "a key"
    made = tokens.make(SELECTOR, generation, address)
    assert made == by_hand("a key", SELECTOR, generation, address)


def test_form():
    """A token has 43 characters that need no escaping in URLs."""
    made = tokens.make(SELECTOR, 1, "jane@example.com")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", made)
    assert tokens.LENGTH == 43


def test_same_again():
    """Tokens are deterministic, so all attempts have the same link."""
    first = tokens.make(SELECTOR, 1, "jane@example.com")
    assert tokens.make(SELECTOR, 1, "jane@example.com") == first


@pytest.mark.parametrize(
    "other",
    [
        ("f" * 32, 1, "jane@example.com"),
        (SELECTOR, 2, "jane@example.com"),
        (SELECTOR, 1, "jane@example.org"),
    ],
    ids=["selector", "generation", "address"],
)
def test_changes(other):
    """Another selector, generation or address has another token."""
    made = tokens.make(SELECTOR, 1, "jane@example.com")
    assert tokens.make(*other) != made
    assert tokens.matches(made, SELECTOR, 1, "jane@example.com")
    assert not tokens.matches(made, *other)


def test_fallbacks(settings):
    """A token of a former key matches as long as that key is a fallback."""
    settings.SECRET_KEY = "old"
    made = tokens.make(SELECTOR, 1, "jane@example.com")
    settings.SECRET_KEY = "new"
    assert not tokens.matches(made, SELECTOR, 1, "jane@example.com")
    settings.SECRET_KEY_FALLBACKS = ["other", "old"]
    assert tokens.matches(made, SELECTOR, 1, "jane@example.com")
    assert tokens.make(SELECTOR, 1, "jane@example.com") != made


def test_make_all(settings):
    """``make_all`` returns the token of the current key first, then those of the fallbacks."""
    settings.SECRET_KEY = "new"
    settings.SECRET_KEY_FALLBACKS = ["old"]
    assert tokens.make_all(SELECTOR, 3, "jane@example.com") == [
        by_hand("new", SELECTOR, 3, "jane@example.com"),
        by_hand("old", SELECTOR, 3, "jane@example.com"),
    ]


def test_other_purposes_have_other_keys(settings):
    """A token is not an HMAC with the plain SECRET_KEY."""
    settings.SECRET_KEY = "a key"
    text = f"v1|{SELECTOR}|1|jane@example.com"
    plain = hmac.new(b"a key", text.encode(), hashlib.sha256).digest()
    made = tokens.make(SELECTOR, 1, "jane@example.com")
    assert made != base64.urlsafe_b64encode(plain).decode().rstrip("=")


def test_digest():
    """The digest of a token is its SHA-256."""
    made = tokens.make(SELECTOR, 1, "jane@example.com")
    assert tokens.digest(made) == hashlib.sha256(made.encode()).hexdigest()


@pytest.mark.parametrize("text", ["", "\ud800", "\x00", "a" * 10_000])
def test_digest_of_anything(text):
    """Any text has a digest, so invalid input cannot make a look-up fail."""
    assert re.fullmatch(r"[0-9a-f]{64}", tokens.digest(text))


@pytest.mark.parametrize(("times", "found"), [(3, True), (4, False)])
def test_encoded_again_and_again(times, found):
    """Percent-encoding is decoded at most three times, which bounds the work."""
    token = "a" * 20 + "-" + "b" * 22
    text = f"token={token.replace('-', '%2D')}"
    for _ in range(times - 1):
        text = text.replace("%", "%25")
    assert (token in tokens.candidates(text)) is found


def test_new_selector():
    """Selectors are unique, with 32 hexadecimal digits."""
    made = {tokens.new_selector() for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"[0-9a-f]{32}", selector) for selector in made)
