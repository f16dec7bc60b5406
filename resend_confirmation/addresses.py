"""Addresses and identities: their canonical form and their digests."""

import hashlib
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from string import ascii_lowercase, ascii_uppercase

import idna
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.crypto import salted_hmac

#: Longest identity or address in characters. Django's and the vendors' limits are 254 or 255.
MAX_LENGTH = 255

#: Characters that keyboards and clipboards add around an address.
BLANKS = " \t\r\n"

_validate = EmailValidator()
#: RFC 5322 section 3.2: a character quoted by a backslash, the characters that must be quoted, and
#: a local part that Django writes without quotes.
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL = re.compile(r'(["\\])')
_PLAIN = re.compile(r"[-!#$%&'*+/=?^_`{}|~\w.]*", re.ASCII)
_LETTERS = {"L", "M", "N"}
_NOT_TEXT = {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}
_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)


def is_clean(text: str) -> bool:
    """Return whether ``text`` has no control character, lone surrogate or unassigned code point.

    Such characters break database drivers (NUL, surrogates) or make two strings look alike.
    """
    return _NOT_TEXT.isdisjoint(map(unicodedata.category, text))


def canonical_identity(identity: str) -> str:
    """Return the form in which user names are compared: NFKC, stripped.

    Case is kept, since Django's user names are case-sensitive.
    """
    return unicodedata.normalize("NFKC", identity).strip()


def read(identity: str, known: "Address | None" = None) -> "Address | str":
    """Read a typed identity: as an address if it is one, else as a user name.

    ``known`` is returned if it has the same spelling, which saves parsing.
    """
    name = canonical_identity(identity)
    return Address.parse(name, known) or name


@dataclass(frozen=True, slots=True)
class Address:
    """One e-mail address, made by ``parse``.

    Two addresses are equal if their canonical forms are. The repr does not show the address.
    """

    #: The text as it was given to ``parse``. This form is stored, and mail is sent to it.
    stored: str = field(repr=False, compare=False)
    #: The form in which addresses are compared, limited and hashed. Mail is never sent to it. NFKC,
    #: stripped, the local part casefolded and quoted only if it has to be, the domain in IDNA 2008
    #: (RFC 5891).
    canonical: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, *known: "Address | None") -> "Address | None":
        """Return ``text`` as an address, or None unless it is exactly one address.

        Address literals such as ``user@[192.0.2.1]`` are not accepted. If one of ``known`` has the
        same spelling it is returned, which saves parsing.
        """
        if "@" not in text:
            return None
        for address in known:
            if address is not None and address.stored == text:
                return address
        try:
            return cls(text, _canonical(text))
        except ValueError:
            return None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical form, 64 hexadecimal digits, for unique keys and look-ups.

        It needs no secret key, since it is stored in the same row as the address.
        """
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def recipient(self) -> str:
        """The form for mail servers: the local part as stored, the domain in IDNA 2008.

        Django would encode the domain by IDNA 2003, which sends some domains' mail to another
        owner.
        """
        local, _, domain = self.stored.strip().rpartition("@")
        if local.startswith('"') and local.isascii():
            local = _unquoted(local)
        return f"{local}@{_ascii_domain(domain)}"

    @property
    def spellings(self) -> list[str]:
        """Forms in which a host may have stored it, for a look-up without regard to ASCII case.

        The local part is unchanged, in lowercase, and in canonical form if it is quoted. The domain
        is unchanged, in Unicode and in Punycode. An ASCII address without quotes and Punycode has
        only one form.
        """
        if self.stored.isascii() and '"' not in self.stored and "xn--" not in self.canonical:
            return [self.stored]
        form, _, ascii_domain = self.canonical.rpartition("@")
        local, _, domain = self.stored.rpartition("@")
        domains = [domain, ascii_domain]
        # A domain that cannot be decoded has only one spelling.
        with suppress(idna.IDNAError):
            domains.append(idna.decode(ascii_domain))
        locals_ = [local, local.lower(), *([form] if local.startswith('"') else [])]
        found = [f"{before}@{behind}" for before in locals_ for behind in domains]
        return list({each.translate(_SMALL): each for each in reversed(found)}.values())

    def proves(self, other: "Address | None") -> bool:
        """Return whether a link that went to this address proves ``other``.

        Addresses with the same canonical form share limits, but may be two mailboxes for a mail
        server. Only ASCII case and the form of the domain are ignored here.
        """
        return other is not None and (other is self or _exact(self.stored) == _exact(other.stored))

    def digest(self, purpose: str) -> str:
        """Return its digest for ``purpose`` under the current key."""
        return self.digests(purpose)[0]

    def digests(self, purpose: str) -> list[str]:
        """Return its digest for ``purpose`` under each accepted key, the current one first."""
        return keyed_digests(self.canonical, purpose)


def keyed_digests(text: str, purpose: str) -> list[str]:
    """Return HMAC-SHA256 of ``text`` under SECRET_KEY and each fallback, the current key first.

    These are for rows that outlive the stored address. Without the key the digests cannot be
    reversed by trying addresses.
    """
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    salt = f"resend_confirmation.{purpose}"
    return [salted_hmac(salt, text, secret=k, algorithm="sha256").hexdigest() for k in keys]


def _canonical(address: str) -> str:
    """Return the canonical form; raise ValueError, without quoting it, if it is not an address."""
    address = address.strip(BLANKS)
    if len(address) > MAX_LENGTH or not is_clean(address):
        raise ValueError("not an address")
    text = unicodedata.normalize("NFKC", address).strip()
    if text.count("@") != address.count("@"):
        # NFKC turned a full-width @ into @, but mail servers do not accept that character.
        raise ValueError("not an address")
    local, _, domain = text.rpartition("@")
    # Casefolding can denormalise (U+0345), so the result is normalised again.
    local = unicodedata.normalize("NFKC", local.casefold())
    # The domain is not casefolded: straße.de and strasse.de would become the same domain.
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
        _validate(f"{local if local.isascii() else _in_ascii(local)}@{domain}")
    except ValidationError:
        raise ValueError("not an address") from None


def _unquoted(local: str) -> str:
    """Return a quoted local part in one form, without quotes if mail programs remove them.

    Quoting does not change the mailbox (RFC 5321 section 4.1.2). The result may be invalid, as for
    ``"a..b"``; the caller checks that.
    """
    content = _PAIR.sub(r"\1", local[1:-1])
    if _PLAIN.fullmatch(_in_ascii(content)):
        return content
    return '"' + _SPECIAL.sub(r"\\\1", content) + '"'


def _in_ascii(local: str) -> str:
    """Replace letters, marks and numbers beyond ASCII by a letter that EmailValidator accepts.

    Other characters beyond ASCII become a character that it rejects.
    """
    return re.sub(r"[^\x00-\x7f]", lambda match: _placeholder(match[0]), local)


def _placeholder(character: str) -> str:
    return "x" if unicodedata.category(character)[0] in _LETTERS else "\n"


def _ascii_domain(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise ValueError("not an address") from None


def _exact(stored: str) -> str:
    local, _, domain = stored.strip().rpartition("@")
    return f"{local.translate(_SMALL)}@{_ascii_domain(domain).lower()}"


def mask_name(name: str) -> str:
    """Return a user name as a stranger may see it, with asterisks for most characters.

    The first letter stays, and the last one if the name has at least three characters.
    """
    if len(name) < 3:  # noqa: PLR2004
        return f"{_masked(name[:1])}*"
    return f"{_masked(name[0])}{'*' * min(len(name) - 2, 20)}{_masked(name[-1])}"


def mask(address: str) -> str:
    """Return an address with its local part masked."""
    local, at, domain = address.rpartition("@")
    return f"{mask_name(local)}{at}{domain}"


def _masked(character: str) -> str:
    return character if unicodedata.category(character or " ")[0] in _LETTERS else "*"
