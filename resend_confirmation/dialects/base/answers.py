"""The table of answers: a vendor's status, code and text for each ending, and their envelopes."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rest_framework import serializers

from ...outcomes import ENDINGS, Ending, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Answer:
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
    if issubclass(envelope, serializers.BaseSerializer):
        return envelope(instance=body).data
    return envelope().to_representation(body)


def quiet_endings(table: Table) -> frozenset[Ending]:
    """Return the endings that the table itself answers like SENT."""
    return frozenset(ending for ending in ENDINGS if table.get(ending) is QUIET)
