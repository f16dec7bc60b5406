"""Addresses and identities: their canonical form, their digests and how a log shows them."""

import hashlib
import re
import unicodedata
from contextlib import suppress

import idna
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.crypto import salted_hmac

#: Longest identity or address in characters: Django's and the vendors' own limit is 254 or 255.
MAX_LENGTH = 255

#: What keyboards and clipboards put around an address, and no address has.
BLANKS = " \t\r\n"

_validate = EmailValidator()
#: RFC 5322 section 3.2: a character that is quoted by a backslash, those that have to be, and
#: what Django writes without quotes.
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL = re.compile(r'(["\\])')
_PLAIN = re.compile(r"[-!#$%&'*+/=?^_`{}|~\w.]*", re.ASCII)
_LETTERS = {"L", "M", "N"}
_NOT_TEXT = {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}


def is_clean(text: str) -> bool:
    """Whether ``text`` has no control character, lone surrogate or unassigned code point.

    Those break database drivers (NUL, surrogates) or make two strings look alike.
    """
    return not any(unicodedata.category(character) in _NOT_TEXT for character in text)


def canonical_identity(identity: str) -> str:
    """The form in which identities that are no address are compared: NFKC, stripped.

    Case is kept: Django's user names differ by it.
    """
    return unicodedata.normalize("NFKC", identity).strip()


def canonical(address: str) -> str:
    """The form in which addresses are compared, limited and hashed; never where mail goes.

    NFKC, stripped, the local part casefolded and quoted only where it has to be, the domain in
    IDNA 2008 (RFC 5891). Raises ValueError for anything that is not exactly one address, without
    quoting it, and for address literals: no mail of a site goes to a machine by its number.
    """
    address = address.strip(BLANKS)
    if len(address) > MAX_LENGTH or not is_clean(address):
        raise ValueError("not an address")
    text = unicodedata.normalize("NFKC", address).strip()
    if text.count("@") != address.count("@"):
        # A full-width @: nothing that a mail server would take for one.
        raise ValueError("not an address")
    local, _, domain = text.rpartition("@")
    # Folding can denormalise (U+0345), so that a second round is needed for a stable form.
    local = unicodedata.normalize("NFKC", local.casefold())
    # Not casefolded: that makes one domain of straße.de and strasse.de, which have two owners.
    domain = _ascii_domain(domain).lower()
    _check(local, domain)
    if local.startswith('"'):
        local = unicodedata.normalize("NFKC", _unquoted(local))
        _check(local, domain)
    return f"{local}@{domain}"


def _check(local: str, domain: str) -> None:
    # Python's mail parser decodes encoded words (RFC 2047) and would write to another mailbox.
    if "=?" in local or domain.startswith("[") or len(local) + 1 + len(domain) > MAX_LENGTH:
        raise ValueError("not an address")
    try:
        _validate(f"{_in_ascii(local)}@{domain}")
    except ValidationError:
        raise ValueError("not an address") from None


def _unquoted(local: str) -> str:
    """Return a quoted local part in one form, without quotes where mail programs take them away.

    Quoting does not change the mailbox (RFC 5321 section 4.1.2). What they leave of ``"a..b"`` is
    not an address: that is for the caller to find.
    """
    content = _PAIR.sub(r"\1", local[1:-1])
    if _PLAIN.fullmatch(_in_ascii(content)):
        return content
    return '"' + _SPECIAL.sub(r"\\\1", content) + '"'


def _in_ascii(local: str) -> str:
    """Write a letter that EmailValidator accepts for each beyond ASCII, which it does not know."""
    return re.sub(r"[^\x00-\x7f]", lambda match: _stand_in(match[0]), local)


def _stand_in(character: str) -> str:
    return "x" if unicodedata.category(character)[0] in _LETTERS else "\n"


def _ascii_domain(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise ValueError("not an address") from None


def deliverable(address: str) -> str:
    """``address`` as a mail server takes it: the local part as stored, the domain in IDNA 2008.

    Django would encode the domain by IDNA 2003, which sends some domains' mail to another
    owner. Raises ValueError when it is not exactly one address.
    """
    canonical(address)
    local, _, domain = address.strip().rpartition("@")
    if local.startswith('"') and local.isascii():
        local = _unquoted(local)
    return f"{local}@{_ascii_domain(domain)}"


def spelt_alike(one: str, other: str) -> bool:
    """Return whether a link that went to ``one`` proves ``other``.

    Addresses with one canonical form share limits, but a mail server may know them for two
    mailboxes: only the case of ASCII and the form of the domain are passed over.
    """
    try:
        return _proof(one) == _proof(other)
    except ValueError:
        return False


def _proof(address: str) -> str:
    canonical(address)
    local, _, domain = address.strip().rpartition("@")
    return f"{_ascii_lower(local)}@{_ascii_domain(domain).lower()}"


def spellings(identity: str) -> list[str]:
    """How a host may have stored ``identity``, for a look-up that disregards the case of ASCII.

    As typed, with small letters beyond ASCII, and with the domain in Unicode and in Punycode;
    only one when it is ASCII throughout and has no Punycode.
    """
    try:
        form, _, ascii_domain = canonical(identity).rpartition("@")
    except ValueError:
        return [identity]
    local, _, domain = identity.rpartition("@")
    domains = [domain, ascii_domain]
    # What cannot be decoded has one form.
    with suppress(idna.IDNAError):
        domains.append(idna.decode(ascii_domain))
    locals_ = [local, local.lower(), *([form] if local.startswith('"') else [])]
    found = [f"{before}@{behind}" for before in locals_ for behind in domains]
    return list({_ascii_lower(spelling): spelling for spelling in reversed(found)}.values())


def _ascii_lower(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


def is_address(identity: str) -> bool:
    """Whether ``identity`` reads as one e-mail address."""
    try:
        canonical(identity)
    except ValueError:
        return False
    return True


def same(one: str, other: str) -> bool:
    """Whether two strings are the same address by their canonical forms."""
    try:
        return canonical(one) == canonical(other)
    except ValueError:
        return False


def fingerprint(address: str) -> str:
    """SHA-256 of the canonical address, 64 hexadecimal digits, for unique keys and look-ups.

    Not keyed: it stands beside the address itself. Raises ValueError for no address.
    """
    return hashlib.sha256(canonical(address).encode()).hexdigest()


def keyed_digests(text: str, purpose: str) -> list[str]:
    """HMAC-SHA256 of ``text`` under SECRET_KEY and each fallback, the current key first.

    For rows that outlive the address they speak of: without the key they cannot be reversed by
    trying addresses. ``text`` is canonical already.
    """
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    salt = f"resend_confirmation.{purpose}"
    return [salted_hmac(salt, text, secret=k, algorithm="sha256").hexdigest() for k in keys]


def mask(text: str) -> str:
    """``text`` as a log may show it: ``j***@e***`` for an address, ``j***`` otherwise."""
    local, at, domain = text.rpartition("@")
    return f"{local[:1]}***@{domain[:1]}***" if at else f"{text[:1]}***"


def mask_name(name: str) -> str:
    """Return a user name as a stranger may see it: its length, first and last letter."""
    if len(name) < 3:  # noqa: PLR2004
        return f"{_letter(name[:1])}*"
    return f"{_letter(name[0])}{'*' * min(len(name) - 2, 20)}{_letter(name[-1])}"


def _letter(character: str) -> str:
    return character if unicodedata.category(character or " ")[0] in _LETTERS else "*"
