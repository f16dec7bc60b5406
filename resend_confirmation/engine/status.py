"""Counts of the outbox and the confirmations, for the command ``status`` and for monitoring."""

from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Q, QuerySet

from .. import database
from ..courier import pause
from ..courier.pause import Pause
from ..deliveries import claims
from ..limits import budget
from ..limits.budget import Budget
from ..models import Confirmation, Delivery, Run
from ..outcomes import ConfirmationState, DeliveryState, Priority, RunAction
from . import runs

#: Rows at which each count stops. Counting all rows of a large table takes seconds.
MOST = 10_000

#: Newest bulk runs.
RUNS = 10


class RunStatus(NamedTuple):
    """A bulk run; ``waiting`` is the number of its messages that are still queued.

    They are counted among the ``runs.MOST`` messages of runs that are due first.
    ``size`` is the number of confirmations that staff selected, ``position`` the number of those
    that were processed, and ``done`` the number of those for which the action succeeded.
    """

    name: str
    started_at: datetime
    queued: int
    waiting: int
    cancelled_at: datetime | None
    action: str
    size: int
    position: int
    done: int

    def __str__(self) -> str:
        facts = [self.name]
        if self.size:
            facts.append(f"{self.position} of {self.size} processed, {self.done} successful")
        if self.action == RunAction.RESEND:
            more = "+" * (self.waiting == runs.MOST)
            facts.append(f"{self.queued} queued, {self.waiting}{more} of them waiting")
        if self.cancelled_at:
            facts.append("cancelled")
        return f"{facts[0]}: {', '.join(facts[1:])}"


class Status(NamedTuple):
    """The outbox and the confirmations; its fields are the keys of ``--json``.

    ``deliveries`` and ``confirmations``: rows by state, including states without rows.
    ``unresolved``: quiet requests not resolved yet. ``due``: rows that a courier would claim now,
    including expired leases. ``oldest_due_seconds``: the age of the oldest of them, or None.
    ``retrying``: queued rows with earlier attempts, among those that are due last. ``runs``: the
    newest bulk runs, newest first. Other counts are not above ``MOST``.
    """

    deliveries: dict[str, int]
    due: int
    oldest_due_seconds: float | None
    unresolved: int
    retrying: int
    paused: bool
    pause: Pause | None
    budget: Budget | None
    confirmations: dict[str, int]
    runs: list[RunStatus]

    def as_dict(self) -> dict[str, Any]:
        """Return the values for JSON. The keys are stable between versions."""
        return {name: _plain(value) for name, value in self._asdict().items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, Pause | Budget | RunStatus):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value.isoformat() if isinstance(value, datetime) else value


def read(*, with_runs: bool = True) -> Status:
    """Read the counts. Each statement reads up to ``MOST`` rows, by an index.

    The messages of the runs are all counted. ``with_runs`` leaves the runs out.
    """
    now = database.latest()
    due = [
        *(claims.due(priority) for priority in Priority),
        _in_state(DeliveryState.ASKED).filter(priority=Priority.PEOPLE, not_before__lte=now),
        _in_state(DeliveryState.SENDING).filter(lease_until__lt=now),
    ]
    since = min((row.not_before for rows in due for row in rows[:1]), default=None)
    deliveries = {state.value: _in_state(state)[:MOST].count() for state in DeliveryState}
    found_pause = pause.current()
    return Status(
        deliveries=deliveries,
        due=min(MOST, sum(rows[:MOST].count() for rows in due)),
        oldest_due_seconds=(now - since).total_seconds() if since else None,
        unresolved=deliveries[DeliveryState.ASKED],
        retrying=_retrying(),
        paused=found_pause is not None,
        pause=found_pause,
        budget=budget.current(),
        confirmations={state.value: _confirmations(state) for state in ConfirmationState},
        runs=_runs() if with_runs else [],
    )


def _runs() -> list[RunStatus]:
    newest = list(Run.objects.defer("selection").order_by("-pk")[:RUNS])
    waiting = runs.waiting() if newest else Counter[int]()
    return [
        RunStatus(
            run.name,
            run.started_at,
            run.queued,
            waiting[run.pk],
            run.cancelled_at,
            run.action,
            run.size,
            run.position,
            run.done,
        )
        for run in newest
    ]


def _in_state(state: DeliveryState) -> QuerySet[Delivery]:
    # In the order of the index: with outdated statistics, a planner would read the whole table.
    return Delivery.objects.filter(state=state).order_by("priority", "not_before", "pk")


def _confirmations(state: ConfirmationState) -> int:
    rows = Confirmation.objects.filter(state=state).order_by("requested_at")
    return rows[:MOST].count()


def _retrying() -> int:
    # No index has the attempts. Retries are due later than messages that were not tried yet.
    rows = _in_state(DeliveryState.QUEUED)
    last = [rows.filter(priority=each).reverse()[:MOST] for each in Priority]
    retried = Count("pk", filter=Q(attempts__gt=0))
    counts: list[int] = [some.aggregate(count=retried)["count"] for some in last]
    return min(MOST, sum(counts))
