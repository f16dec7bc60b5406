"""What a vendor's export of accounts calls its columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: The fields of an account in an export.
FIELDS = ("email", "username", "confirmed", "blocked", "client", "language", "registered_at")


class Column(NamedTuple):
    """A column, or the path to a key of nested JSON objects with dots.

    ``read`` returns whether the value means yes, for ``confirmed`` and ``blocked``. It raises
    ValueError or LookupError for a value that it does not know.
    """

    name: str
    read: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class Export:
    """The columns of each field in a vendor's export.

    The first column that a row has is used. For ``blocked``, one that means yes is enough.
    ``concerns`` returns whether a row is an account.
    """

    columns: Mapping[str, Sequence[Column]] = field(
        default_factory=lambda: {name: [Column(name)] for name in FIELDS}
    )
    concerns: Callable[[Mapping[str, Any]], bool] = lambda row: True
