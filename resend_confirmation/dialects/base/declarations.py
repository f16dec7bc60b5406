"""The parts of a dialect's declaration: fields of inputs, the table of answers, the operation."""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from django.http import HttpResponse
from django.utils.translation import get_supported_language_variant
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema_field
from rest_framework import serializers

from ... import addresses, tokens
from ...addresses import Address
from ...engine import records
from ...outcomes import ENDINGS, Ending, Outcome, Verdict
from ...redaction import Secret

#: A language tag (RFC 5646) or a locale's name. The pattern is unambiguous on purpose: a part never
#: contains a separator, so matching cannot backtrack exponentially.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")


# Fields of inputs


class StrictCharField(serializers.CharField):
    """A field for strings only; DRF's ``CharField`` also accepts numbers."""

    def to_internal_value(self, data: Any) -> str:
        """Return the string; raise ValidationError for other types and for unusable characters."""
        if not isinstance(data, str):
            self.fail("invalid")
        if not addresses.is_clean(data):
            raise serializers.ValidationError("Unusable characters.", code="unusable")
        value: str = super().to_internal_value(data)
        return value


class IdentityField(StrictCharField):
    """An address, a user name or a number as a string, 1 to 255 characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=addresses.MAX_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the identity without surrounding blanks."""
        return super().to_internal_value(_stripped(data))


class TokenField(serializers.CharField):
    """The token of a link, or a text that contains it; the engine extracts the token.

    Mail programs alter links, so strings of any length and with any characters are accepted.
    """

    def get_value(self, dictionary: Any) -> Any:
        """Return the value under the field's name, else the ``name=value`` with an altered name."""
        value = super().get_value(dictionary)
        if value is serializers.empty:
            spelt = ((k, v) for k, v in dictionary.items() if self.field_name in k)
            pairs = (f"{name}={text}" for name, text in spelt)
            value = next(filter(tokens.NAME.search, pairs), value)
        return value

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data

    def run_validators(self, value: Any) -> None:
        """Accept every string, even one with line ends or NUL."""


class TypedAddress(Secret):
    """An address as typed, with its parsed form, so that it is parsed once."""

    parsed: Address | None = None


@extend_schema_field({"type": "string", "format": "email"})
class AddressField(StrictCharField):
    """One e-mail address; unlike Django's field, it accepts non-ASCII addresses."""

    def to_internal_value(self, data: Any) -> str:
        """Return the address as typed; raise ValidationError if it is not exactly one address."""
        typed = TypedAddress(super().to_internal_value(_stripped(data)))
        typed.parsed = Address.parse(typed)
        if typed.parsed is None:
            raise serializers.ValidationError("Enter a valid email address.", code="address")
        return typed


class LanguageField(serializers.CharField):
    """A locale such as ``de_DE`` or ``de-DE``; a language that the site lacks is ignored."""

    def run_validation(self, data: Any = serializers.empty) -> str:
        """Return the site's language code that fits best, or an empty string."""
        if not isinstance(data, str) or not _LANGUAGE.fullmatch(data):
            return ""
        try:
            return get_supported_language_variant(data.replace("_", "-").lower())
        except LookupError:
            return ""


def _stripped(data: Any) -> Any:
    """Strip the blanks and line ends that keyboards add; keep all other control characters."""
    return data.strip(addresses.BLANKS) if isinstance(data, str) else data


# Answers


class Answer(NamedTuple):
    """One row of the table: an HTTP status, the vendor's code and the vendor's text."""

    status: int
    code: str | int = ""
    message: str = ""


class Quiet(enum.Enum):
    """The row of an ending that is answered exactly like SENT, and in the same time."""

    QUIET = "quiet"


QUIET: Final = Quiet.QUIET


class Fault(enum.StrEnum):
    """The kind of error in an input."""

    MISSING = "missing"
    NOT_A_STRING = "not_a_string"
    REPEATED = "repeated"
    WRONG = "wrong"


#: A key is an ending, or narrower: ``(ending, field)`` or ``(ending, field, fault)``. Views that
#: take a token also have verdicts as keys.
Key = Ending | Verdict | tuple[Ending, str] | tuple[Ending, str, Fault]
Table = Mapping[Key, Answer | Quiet]

#: The serializer of a body, or a field if the body is not an object.
Envelope = type[serializers.Field[Any, Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """Details of an error, apart from its ending.

    ``errors`` maps the vendor's field names to messages. ``name``, ``fault`` and ``value``
    describe the first error: the field, the kind of error and the value sent. ``retry_after`` is
    in seconds. ``limit`` is the throttle's number of calls. ``reason`` says why a body or a query
    is malformed.
    """

    name: str = ""
    fault: Fault = Fault.WRONG
    value: Any = None
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    retry_after: int = 0
    limit: int = 0
    reason: str = ""


NO_DETAILS: Final = ErrorDetails()


def missing_rows(table: Table) -> list[Ending]:
    """Return the endings without a row in ``table``; a complete dialect has none."""
    return [ending for ending in ENDINGS if ending not in table]


def answer_for(table: Table, ending: Ending | Verdict, detail: ErrorDetails) -> Answer:
    """Return the narrowest row for an ending; if that row is QUIET, the row of SENT."""
    rows: Mapping[Any, Answer | Quiet] = table
    row = rows.get((ending, detail.name, detail.fault)) or rows.get((ending, detail.name))
    row = row or rows[ending]
    if isinstance(row, Answer):
        return row
    sent = table[Outcome.SENT]
    assert isinstance(sent, Answer)
    return sent


def enveloped(envelope: Envelope | None, body: Any) -> Any:
    """Return ``body`` as its envelope serializes it, so that the answer matches the schema."""
    if envelope is None or body is None:
        return None
    # mypy: a class's own __hash__ looks to it like its instances'.
    return made(envelope).to_representation(body)  # type: ignore[arg-type]


@cache
def made(kind: Envelope) -> Any:
    """Make one instance of a serializer: it copies its fields, and keeps nothing of a body."""
    return kind()


def quiet_endings(table: Table) -> frozenset[Ending]:
    """Return the endings that the table itself answers like SENT."""
    return frozenset(ending for ending in ENDINGS if table.get(ending) is QUIET)


# The operation


class Operation(NamedTuple):
    """The operation as the vendor's document describes it, apart from the table of answers.

    ``documented`` are the statuses in that document; ``"default"`` stands for all other errors.
    ``descriptions`` replaces the texts of statuses. ``inline`` writes schemas in place, for a
    vendor's document without components. ``wait_headers`` are the headers of an answer with a
    time to wait; the value of each is a whole number.
    """

    id: str = ""
    summary: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    documented: tuple[int | str, ...] = ()
    descriptions: Mapping[int | str, str] = MappingProxyType({})
    examples: tuple[OpenApiExample, ...] = ()
    parameters: tuple[OpenApiParameter, ...] = ()
    inline: bool = False
    wait_headers: tuple[str, ...] = ("Retry-After",)


class OperationSchema:
    """The ``schema`` of a view; it is a DialectSchema once a document is generated."""

    def __get__(self, instance: Any, owner: Any) -> Any:
        """Return a new DialectSchema, or None if the host leaves our operations out."""
        # drf-spectacular's import takes longer than that of this package.
        from .schema import DialectSchema  # noqa: PLC0415

        return DialectSchema().__get__(instance, owner)


class VendorResponse(HttpResponse):
    """A response after which the records of requests are written."""

    def close(self) -> None:
        # The response was sent, and Django has not closed the database connection yet.
        if records.notes:
            records.write_if_due()
        super().close()
