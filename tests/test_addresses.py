"""Addresses: their canonical form, and digests under rotated keys."""

import hashlib
import hmac
from typing import Any

import django
import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st

from resend_confirmation import addresses
from resend_confirmation.addresses import Address

from .factories import address_of
from .mailers import SMTP

CANONICAL = {
    "as it is": ("jane@example.com", "jane@example.com"),
    "capitals": ("Jane.DOE@Example.COM", "jane.doe@example.com"),
    "plus": ("plus+tag@example.com", "plus+tag@example.com"),
    "space around": (" \u00a0jane@example.com \u3000", "jane@example.com"),
    "full-width letters": (
        "\uff4a\uff41\uff4e\uff45@\uff45xample.com",
        "jane@example.com",
    ),
    "decomposed": ("u\u0308@example.com", "\u00fc@example.com"),
    "ligature": ("\ufb01sh@example.com", "fish@example.com"),
    "sharp s in the local part": ("stra\u00dfe@example.com", "strasse@example.com"),
    "capital sharp s in the local part": ("STRA\u1e9eE@example.com", "strasse@example.com"),
    "dotless i stays itself": ("\u0131@example.com", "\u0131@example.com"),
    "capital I is i": ("I@example.com", "i@example.com"),
    "capital I with a dot": ("\u0130@example.com", "i\u0307@example.com"),
    "Kelvin sign": ("\u212aelvin@example.com", "kelvin@example.com"),
    "Kelvin sign in the domain": ("k@\u212aelvin.example", "k@kelvin.example"),
    "long s": ("\u017f@example.com", "s@example.com"),
    "folding that decomposes": ("\u01f0@example.com", "\u01f0@example.com"),
    "iota below": ("\u1fb3@example.com", "\u03b1\u03b9@example.com"),
    "umlauts": ("gr\u00fc\u00dfe@b\u00fccher.example", "gr\u00fcsse@xn--bcher-kva.example"),
    "capital umlauts": ("GR\u00dc\u00dfE@B\u00dcCHER.example", "gr\u00fcsse@xn--bcher-kva.example"),
    "IDNA 2008 keeps the sharp s": ("x@stra\u00dfe.de", "x@xn--strae-oqa.de"),
    "IDNA 2008 keeps the final sigma": (
        "x@\u03b2\u03cc\u03bb\u03bf\u03c2.com",
        "x@xn--nxasmm1c.com",
    ),
    "punycode in capitals": ("x@XN--STRAE-OQA.de", "x@xn--strae-oqa.de"),
    "ideographic full stop": ("x@b\u3002com", "x@b.com"),
    "quoted comma": ('"a,b"@example.com', '"a,b"@example.com'),
    "quoted at": ('"a@b"@example.com', '"a@b"@example.com'),
    "quoted for nothing": ('"Mike.B"@example.com', "mike.b@example.com"),
    "escaped for nothing": ('"m\\ike"@example.com', "mike@example.com"),
    "escaped for nothing in quotes": ('"a\\,b"@example.com', '"a,b"@example.com'),
    "escaped for a reason": (r'"a\"\\b"@example.com', r'"a\"\\b"@example.com'),
    "quoted umlaut": ('"\u00c4"@example.com', "\u00e4@example.com"),
    "longest": ("a" * 64 + "@" + "b" * 60 + "." + "c" * 60 + ".example",) * 2,
}

NO_ADDRESS = {
    "nothing": "",
    "a word": "jane",
    "an at": "@",
    "no local part": "@example.com",
    "no domain": "jane@",
    "no dot": "jane@example",
    "two at": "a@b@example.com",
    "a comma": "a,b@example.com",
    "two addresses": "a@example.com,b@example.com",
    "a semicolon": "a@example.com;b@example.com",
    "a display name": "Jane <jane@example.com>",
    "a space inside": "ja ne@example.com",
    "a quoted space": '"ja ne"@example.com',
    "a line break": "jane@example.com\nBcc: b@example.com",
    "a carriage return": "jane\r@example.com",
    "a line separator": "jane\u2028@example.com",
    "a next-line control": "jane\u0085@example.com",
    "NUL": "jane\x00@example.com",
    "a lone surrogate": "jane\ud800@example.com",
    "a surrogate in the domain": "jane@ex\udfffample.com",
    "an unassigned code point": "jane\U000e0fff@example.com",
    "private use": "jane\ue000@example.com",
    "a zero-width space": "ja\u200bne@example.com",
    "an override of direction": "ja\u202ene@example.com",
    "an emoji": "\U0001f600@example.com",
    "10 kB": "a" * 10_000 + "@example.com",
    "256 characters": "a@" + "b." * 125 + "exam",
    "256 characters once folded": "\ufdfa" * 15 + "@example.com",
    "an encoded word": "=?utf-8?q?a=40evil.example=2c?=@example.com",
    "a domain that IDNA refuses": "jane@\u2603.example",
    "a dot at the end": "jane@example.com.",
    "two dots": "jane@example..com",
    "a dot first": ".jane@example.com",
    "a hyphen first": "jane@-example.com",
    "a full-width at": "jane\uff20example.com",
    "a full-width comma": "a\uff0cb@example.com",
    "a full-width line of two": 'a"@b"\uff20example.com',
    "an address literal": "a@[127.0.0.1]",
    "an IPv6 literal": "a@[IPv6:::1]",
    "two dots in quotes, which Django writes without": '"a..b"@example.com',
    "a dot alone in quotes": '"."@example.com',
    "nothing in quotes": '""@example.com',
    "an escaped space in quotes": '"a\\ b"@example.com',
    "an encoded word in quotes": r'"=\?utf-8?q?a?="@example.com',
    "a label of 64": "jane@" + "b" * 64 + ".com",
}


@pytest.mark.parametrize(("typed", "form"), CANONICAL.values(), ids=CANONICAL)
def test_canonical(typed, form):
    """The canonical form is stripped, NFKC, casefolded before the @, and IDNA 2008 after it."""
    address = address_of(typed)
    assert (address.stored, address.canonical) == (typed, form)


@pytest.mark.parametrize("typed", NO_ADDRESS.values(), ids=NO_ADDRESS)
def test_no_address(typed):
    """A string that is not exactly one address is not parsed."""
    assert Address.parse(typed) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("jane@example.com", "Jane@EXAMPLE.com"),
        ("gr\u00fc\u00dfe@b\u00fccher.example", "gr\u00fcsse@xn--bcher-kva.example"),
    ],
)
def test_same(one, other):
    """Two spellings of one address are equal."""
    assert address_of(one) == address_of(other)
    assert len({address_of(one), address_of(other)}) == 1
    assert address_of(one).fingerprint == address_of(other).fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("jane@example.com", "jane@example.org"),
        ("\u0131@example.com", "i@example.com"),
        ("\u00e9@example.com", "e@example.com"),
        ("x@stra\u00dfe.de", "x@strasse.de"),
        ("x@\u03b2\u03cc\u03bb\u03bf\u03c2.com", "x@\u03b2\u03cc\u03bb\u03bf\u03c3.com"),
    ],
)
def test_not_the_same(one, other):
    """Addresses that only some databases treat as equal are different."""
    assert address_of(one) != address_of(other)


@pytest.mark.parametrize(
    ("stored", "recipient"),
    [
        ("jane@example.com", "jane@example.com"),
        ("Jane.Upper@Example.COM", "Jane.Upper@Example.COM"),
        (" jane@example.com ", "jane@example.com"),
        ("gr\u00fc\u00dfe@b\u00fccher.example", "gr\u00fc\u00dfe@xn--bcher-kva.example"),
        ("x@stra\u00dfe.de", "x@xn--strae-oqa.de"),
        ("X@STRASSE.de", "X@STRASSE.de"),
        ('"a,b"@example.com', '"a,b"@example.com'),
        ('"Mike"@example.com', "Mike@example.com"),
        ("\uff4a@example.com", "\uff4a@example.com"),
    ],
)
def test_recipient(stored, recipient):
    """The recipient has the local part as stored and the domain in IDNA 2008."""
    assert address_of(stored).recipient == recipient


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("jane@example.com", " JANE@Example.com", True),
        ("x@b\u00fccher.example", "x@xn--bcher-kva.example", True),
        ("stra\u00dfe@example.com", "strasse@example.com", False),
        ("\uff4aane@example.com", "jane@example.com", False),
        ('"mike"@example.com', "mike@example.com", False),
    ],
)
def test_proves(one, other, alike):
    """A link only proves the spelling it was sent to, except for the case of ASCII letters."""
    assert address_of(one).proves(address_of(other)) is alike
    assert address_of(other).proves(address_of(one)) is alike


def test_proves_no_address():
    """A link proves nothing for an account without an address."""
    assert not address_of("jane@example.com").proves(None)


def test_known():
    """``parse`` reuses a known address that was stored with exactly the same spelling."""
    jane, john = address_of("jane@example.com"), address_of("john@example.com")
    assert Address.parse("jane@example.com", None, john, jane) is jane
    other = Address.parse("JANE@example.com", None, john, jane)
    assert other == jane
    assert other is not None
    assert other.stored == "JANE@example.com"


def test_is_not_shown():
    """The repr and str of an address do not contain it."""
    address = address_of("jane@example.com")
    assert "jane" not in f"{address!r} {address}"


def test_fingerprint():
    """The fingerprint is the SHA-256 of the canonical form."""
    expected = hashlib.sha256("gr\u00fcsse@xn--bcher-kva.example".encode()).hexdigest()
    assert address_of("GR\u00dcSSE@b\u00fccher.example").fingerprint == expected


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("Jane", "Jane"),
        (" jane ", "jane"),
        ("\uff4aane", "jane"),
        ("stra\u00dfe", "stra\u00dfe"),
        ("7001", "7001"),
        ("", ""),
    ],
)
def test_canonical_identity(typed, form):
    """The canonical form of a user name is NFKC and stripped; the case is kept."""
    assert addresses.canonical_identity(typed) == form
    assert addresses.read(typed) == form


@pytest.mark.parametrize("typed", [" Jane@Example.com ", "\uff4aane@example.com"])
def test_read_address(typed):
    """A string is read as an address if it is one after normalisation."""
    assert addresses.read(typed) == address_of("jane@example.com")


def keyed(key: str, salt: str, text: str) -> str:
    """Compute Django's ``salted_hmac``: the key is the SHA-256 of salt and secret."""
    derived = hashlib.sha256((salt + key).encode()).digest()
    return hmac.new(derived, text.encode(), hashlib.sha256).hexdigest()


def test_digest(settings):
    """A digest is an HMAC-SHA256 of the canonical form, with a separate key for each purpose."""
    settings.SECRET_KEY = "new"
    expected = keyed("new", "resend_confirmation.cooldown", "jane@example.com")
    address = address_of("Jane@example.com")
    assert (address.digest("cooldown"), address.digests("cooldown")) == (expected, [expected])


def test_digests_after_rotation(settings):
    """The digest with the current key comes first, followed by those with the fallbacks."""
    settings.SECRET_KEY = "new"
    settings.SECRET_KEY_FALLBACKS = ["old", "older"]
    expected = [
        keyed(key, "resend_confirmation.suppression", "jane@example.com")
        for key in ("new", "old", "older")
    ]
    address = address_of("jane@example.com")
    assert address.digests("suppression") == expected
    assert address.digest("suppression") == expected[0]


def test_digests_differ_by_purpose():
    """Digests for different purposes differ, so their tables cannot be joined."""
    address = address_of("jane@example.com")
    assert address.digest("cooldown") != address.digest("suppression")


@pytest.mark.parametrize(
    ("typed", "spellings"),
    [
        ("Jane@Example.com", {"Jane@Example.com"}),
        (
            "x@B\u00fccher.example",
            {"x@B\u00fccher.example", "x@xn--bcher-kva.example"},
        ),
        ("x@xn--bcher-kva.example", {"x@xn--bcher-kva.example", "x@b\u00fccher.example"}),
        ("\u00c4@example.com", {"\u00c4@example.com", "\u00e4@example.com"}),
    ],
)
def test_spellings(typed, spellings):
    """An ASCII address has one spelling to look up; others have those that hosts may store."""
    found = address_of(typed).spellings
    assert set(found) == spellings
    assert len(found) == len(spellings)


ANYTHING = st.text(st.characters(categories=None), max_size=300)
ALMOST = st.builds(
    "{}@{}".format,
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    st.builds("{}.{}".format, st.text(max_size=20), st.sampled_from(["com", "de", "\u6e2f"])),
)


@given(st.one_of(ANYTHING, ALMOST))
def test_canonical_form_is_idempotent(text):
    """The canonical form of an address is its own canonical form; no input raises an error."""
    if (address := Address.parse(text)) is not None:
        again = address_of(address.canonical)
        assert again == address
        assert again.canonical == again.stored


@given(st.one_of(ANYTHING, ALMOST))
def test_every_address_can_be_mailed(text):
    """The recipient has the same canonical form and an ASCII domain."""
    if (address := Address.parse(text)) is not None:
        assert address_of(address.recipient) == address
        assert address.recipient.rpartition("@")[2].isascii()


#: Addresses with quoted local parts, whether the quotes are necessary or not.
QUOTED = st.builds(
    '"{}"@example.com'.format,
    st.lists(
        st.one_of(
            st.sampled_from("abcXYZ.@,;:<>()[]=?_ "),
            st.characters(codec="ascii").map("\\{}".format),
        ),
        max_size=6,
    ).map("".join),
)


class Session:
    """Records the recipients that Django's SMTP backend sends to."""

    def sendmail(self, sender, recipients, message):
        self.recipients = recipients


def smtp_backend() -> Any:
    """Return Django's SMTP backend, which since 6.1 is created from MAILERS."""
    if django.VERSION < (6, 1):
        return EmailBackend()
    with override_settings(
        MAILERS={"default": {"BACKEND": SMTP, "OPTIONS": {"host": "localhost"}}}
    ):
        return mail.mailers["default"]


@given(st.one_of(QUOTED, ALMOST))
@example('"a..b"@example.com')
@example('"a.\\"."@example.com')
def test_canonical_form_is_that_of_the_wire(text):
    """Django's SMTP backend sends to an address with the same canonical form."""
    address = Address.parse(text)
    if address is None or not (recipient := address.recipient).isascii():
        return  # Without SMTPUTF8 the backend does not support it, and never gets it.
    backend = smtp_backend()
    backend.connection = session = Session()
    backend.send_messages([EmailMessage("Subject", "Body", "site@site.example", [recipient])])
    assert [address_of(each) for each in session.recipients] == [address]
