"""The answers' table: for each ending the status, code and text of one vendor."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...outcomes import ENDINGS, Ending, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Answer:
    """One row: an HTTP status (int), the vendor's code and the vendor's text."""

    status: int
    code: str | int = ""
    message: str = ""


class Quiet(enum.Enum):
    """The row of an ending that is answered exactly as SENT, and in the same time."""

    QUIET = "quiet"


QUIET: Final = Quiet.QUIET


class Fault(enum.StrEnum):
    """How an input was wrong."""

    MISSING = "missing"
    NOT_A_STRING = "not_a_string"
    REPEATED = "repeated"
    WRONG = "wrong"


#: Keys are endings, or narrower: ``(ending, field)`` and ``(ending, field, kind)``; of a call that
#: confirms they are verdicts, too.
Key = Ending | Verdict | tuple[Ending, str] | tuple[Ending, str, Fault]
Table = Mapping[Key, Answer | Quiet]


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What is known about a refused request beyond its ending.

    ``errors`` maps the vendor's field names to messages; ``name`` and ``fault`` are of the first
    one and ``value`` is what was sent there; ``retry_after`` is in seconds, ``limit`` the
    throttle's number of calls.
    """

    name: str = ""
    fault: Fault = Fault.WRONG
    value: Any = None
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    retry_after: int = 0
    limit: int = 0
    reason: str = ""


def missing_rows(table: Table) -> list[Ending]:
    """Endings that a table has no row for; a dialect with any is not finished."""
    return [ending for ending in ENDINGS if ending not in table]


def answer_for(table: Table, ending: Ending | Verdict, detail: ErrorDetails) -> Answer:
    """The narrowest row for an ending; SENT's for a quiet one."""
    keys = ((ending, detail.name, detail.fault), (ending, detail.name), ending)
    rows: Mapping[Any, Answer | Quiet] = table
    row = next(rows[key] for key in keys if key in rows)
    if isinstance(row, Answer):
        return row
    sent = table[Outcome.SENT]
    assert isinstance(sent, Answer)
    return sent


def quiet_endings(table: Table) -> frozenset[Ending]:
    """The endings that a table itself answers as SENT."""
    return frozenset(ending for ending in ENDINGS if table.get(ending) is QUIET)
