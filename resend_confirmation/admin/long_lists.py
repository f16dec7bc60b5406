"""Long lists: pages, counts and filters that read a limited number of rows."""

from collections.abc import Sequence
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Max
from django.utils.functional import cached_property

from ..outcomes import ConfirmationState, Priority

#: Rows of a list. Its count reads no more than these.
LISTED = 10_000
#: Newest rows that are searched by a column without an index.
RECENT = 100_000

#: The order of the list of confirmations.
STATES = (ConfirmationState.PENDING, ConfirmationState.CONFIRMED, ConfirmationState.WITHDRAWN)


def last_old_key(model: Any) -> int:
    """Return the key up to which rows are not among the newest; 0 or less if all are."""
    newest: int | None = model.objects.aggregate(newest=Max("pk"))["newest"]
    return (newest or 0) - RECENT


class FirstRows(Paginator):  # type: ignore[type-arg]
    """Pages of the first ``LISTED`` rows."""

    @cached_property
    def count(self) -> int:
        return _count(self.object_list)


class Pieces(FirstRows):
    """Pages of rows with one value of a column after the other, each read by an index.

    The index does not have the rows in the order of the values.
    """

    column: str
    values: Sequence[Any]
    ordering: tuple[str, ...]

    def page(self, number: Any) -> Any:
        number = self.validate_number(number)
        skipped, rows = (number - 1) * self.per_page, list[Any]()
        selected: Any = self.object_list
        for value in self.values:
            some = selected.filter(**{self.column: value}).order_by(*self.ordering)
            rows += some[skipped : skipped + self.per_page - len(rows)]
            if len(rows) == self.per_page:
                break
            skipped = max(0, skipped - _count(some))
        return Page(rows, number, self)


class ByState(Pieces):
    """Pages of confirmations, the pending ones first."""

    column, values, ordering = "state", STATES, ("-requested_at", "-pk")


class ByPriority(Pieces):
    """Pages of deliveries in one state, those that people asked for first."""

    column, values, ordering = "priority", tuple(Priority), ("-not_before", "-pk")


def _count(rows: Any) -> int:
    count: int = rows.order_by()[:LISTED].count()
    return count
