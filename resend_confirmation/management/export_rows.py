"""From a row of an export to the account that it names, by the columns of each field."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone

from .. import addresses, clients, database, dialects
from ..addresses import Address
from ..dialects.base import Column, Export
from ..engine.importing import Entry
from ..engine.signup import language_code
from ..outcomes import Standing

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "", "none", "null"})
#: Seconds or milliseconds since 1970. Fewer digits are a date.
_EPOCH = re.compile(r"([0-9]{9,16})(\.[0-9]+)?", re.ASCII)
#: Numbers from here on are milliseconds: as seconds, they are after the year 5000.
_MILLISECONDS = 10**11
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
#: Times that are ahead by less are those of another clock or time zone.
_AHEAD = timedelta(days=1)


class InvalidRowError(Exception):
    """A row that cannot be used; the text says why, and may quote the row."""


class Named(NamedTuple):
    """A row's identity as given, and what it is."""

    text: str
    identity: Address | str
    username: str


def presets() -> dict[str, Export]:
    """Return the exports that the dialects declare, by the names of their modules."""
    names = [module.name for module in iter_modules(dialects.__path__)]
    modules = {name: import_module(f"{dialects.__name__}.{name}") for name in names}
    return {name: module.EXPORT for name, module in modules.items() if hasattr(module, "EXPORT")}


class Reading:
    """How the rows of a file are read; ``renamed`` has a field for a column's name."""

    def __init__(self, export: Export, renamed: Mapping[str, str], client: str) -> None:
        self._columns: dict[str, Sequence[Column]] = dict(export.columns)
        for name, field in renamed.items():
            self._columns[field] = [Column(name)]
        self.concerns = export.concerns
        self._client = client

    @property
    def identities(self) -> list[str]:
        """The names of the columns with an address or a user name."""
        fields = ("email", "username")
        return [column.name for field in fields for column in self._columns.get(field, ())]

    def named(self, row: Mapping[str, Any]) -> Named:
        """Return whom the row names. Raise InvalidRowError if it names no account."""
        address, name = self._text(row, "email"), self._text(row, "username")
        text = address or name
        if not text:
            raise InvalidRowError("no address and no user name")
        return Named(text, address, addresses.canonical_identity(name))

    def entry(self, named: Named, row: Mapping[str, Any]) -> Entry:
        """Return the account of the row. Raise InvalidRowError if it cannot be used."""
        # Each value is read, so that an unknown one is noticed.
        blocked = {_truth(*each) for each in self._found(row, "blocked")}
        confirmed = [_truth(*each) for each in self._found(row, "confirmed")]
        standing = Standing.CONFIRMED if confirmed[:1] == [True] else Standing.PENDING
        client = self._text(row, "client") or self._client
        if client != self._client and clients.by_name(client) is None:
            raise InvalidRowError(f"unknown client {client!r}")
        try:
            language = language_code(self._text(row, "language"))
        except ValueError as error:
            raise InvalidRowError(str(error)) from None
        return Entry(
            identity=_identity(named),
            username=named.username,
            standing=Standing.BLOCKED if True in blocked else standing,
            client=client,
            language=language,
            requested_at=_moment(self._text(row, "registered_at")),
        )

    def _found(self, row: Mapping[str, Any], field: str) -> Iterator[tuple[Column, Any]]:
        for column in self._columns.get(field, ()):
            found = _values(row, column.name)
            yield from ((column, value) for value in found)

    def _text(self, row: Mapping[str, Any], field: str) -> str:
        value = next((value for _, value in self._found(row, field)), None)
        if isinstance(value, dict | list):
            raise InvalidRowError(f"{field} is not a text")
        return "" if value is None else str(value).strip(addresses.BLANKS)


def _values(row: Mapping[str, Any], name: str) -> list[Any]:
    """Return the value of a column, or of the key at a path with dots, or nothing."""
    if name in row:
        return [row[name]]
    outer, _, inner = name.partition(".")
    below = row.get(outer)
    return _values(below, inner) if inner and isinstance(below, dict) else []


def _identity(named: Named) -> Address | str:
    text = named.text
    is_usable = len(text) <= addresses.MAX_LENGTH and addresses.is_clean(text)
    found = Address.parse(text) if named.identity else named.username
    if not is_usable or not found:
        raise InvalidRowError("not a valid address or user name")
    return found


def _truth(column: Column, value: Any) -> bool:
    try:
        if column.read is not None:
            return column.read(value)
        word = str(value).strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    except (LookupError, TypeError, ValueError):
        pass
    raise InvalidRowError(f"{column.name} has an unknown value, {str(value)[:40]!r}")


def _moment(text: str) -> datetime | None:
    """Return the time that ``text`` is, in ISO 8601, or as seconds or milliseconds since 1970."""
    if not text:
        return None
    now = database.now() if settings.USE_TZ else timezone.make_aware(database.now())
    try:
        found = _parsed(text)
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None or not _FIRST <= found < now + _AHEAD:
        raise InvalidRowError(f"{text[:40]!r} is not a time in the past")
    found = min(found, now)
    return found if settings.USE_TZ else timezone.make_naive(found)


def _parsed(text: str) -> datetime:
    if _EPOCH.fullmatch(text):
        number = float(text)
        seconds = number / 1000 if number >= _MILLISECONDS else number
        return datetime.fromtimestamp(seconds, tz=UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
