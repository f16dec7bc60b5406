"""Whom a bulk run writes to, decided for many accounts with a few statements."""

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Max, Q

from .. import clients, database
from ..accounts import Account
from ..deliveries import states
from ..limits import cooldown, suppression
from ..models import Confirmation, Delivery, Run
from ..outcomes import Ending, Outcome, Standing
from .requests import outcome_without_pending

#: Columns of a delivery that decide where its link leads.
_WAY = ("client", "dialect", "redirect", "client_state", "payload")


class RunEnding(enum.Enum):
    """An ending of an account in a run, besides those of requests."""

    DELAYED = "delayed"
    IN_RUN = "in_run"
    UNDER_WAY = "under_way"
    SUPPRESSED = "suppressed"


class Row(NamedTuple):
    """The columns of a confirmation by which a run chooses, and those of its newest message."""

    client: str
    language: str
    requested_at: datetime
    last_sent_at: datetime | None
    last_delivery_state: str
    reminders: int
    dialect: str
    asked_at: datetime | None


#: Whether a run writes to an account. The row is None if the account has no confirmation.
Chooses = Callable[[Account, Row | None], bool]


@dataclass(slots=True)
class Totals:
    """The number of each ending, and the time of the earliest suppression."""

    endings: Counter[Ending | RunEnding] = field(default_factory=Counter)
    since: datetime | None = None

    @property
    def queued(self) -> int:
        """The number of messages queued, including those that wait for a cooldown to end."""
        return self.endings[Outcome.SENT] + self.endings[RunEnding.DELAYED]

    def add(self, more: "Totals") -> None:
        """Add the counts of ``more``."""
        self.endings += more.endings
        self.since = min(filter(None, (self.since, more.since)), default=None)


class Pick(NamedTuple):
    """An account to write to, the client and landing of its message, and its row."""

    account: Account
    way: dict[str, Any]
    row: Row | None


class _Past(NamedTuple):
    """The deliveries of a confirmation so far."""

    newest: int
    in_run: int
    under_way: int


def preview(
    run: Run | None, accounts: Sequence[Account], chooses: Chooses, *, most: int | None = None
) -> tuple[list[Account], Totals]:
    """Return the accounts that ``queue`` would write to, and its likely totals."""
    picks, totals = pick(run, accounts, chooses)
    chosen, now = [each.account for each in picks[:most]], database.now()
    delayed = sum(bool(a.cooldown and cooldown.seconds_left(a.cooldown, now)) for a in chosen)
    totals.endings[RunEnding.DELAYED] = delayed
    totals.endings[Outcome.SENT] = len(chosen) - delayed
    return chosen, totals


def pick(
    run: Run | None, accounts: Sequence[Account], chooses: Chooses
) -> tuple[list[Pick], Totals]:
    """Return whom ``run`` writes to, in the order of ``accounts``, and the endings of the others.

    Accounts that ``chooses`` leaves out have no ending.
    """
    totals, rows = Totals(), _rows(accounts)
    past = _past(run, rows)
    newest = _newest(past)
    wanted: dict[tuple[str, str], tuple[Account, int | None, Row | None]] = {}
    for account in accounts:
        if account.standing is not Standing.PENDING or account.parsed is None:
            totals.endings[outcome_without_pending([account])] += 1
            continue
        key = key_of(account)
        row = _row(rows.get(key), newest.get(key))
        if chooses(account, row):
            wanted[str(account.user.pk), account.mailbox.fingerprint] = account, key, row
    suppressed = suppression.suppressed(account.mailbox for account, _, _ in wanted.values())
    picks = []
    for account, key, row in wanted.values():
        before = past.get(key)
        if before and before.in_run:
            totals.endings[RunEnding.IN_RUN] += 1
        elif before and before.under_way:
            totals.endings[RunEnding.UNDER_WAY] += 1
        elif account.mailbox in suppressed:
            since = suppressed[account.mailbox]
            totals.add(Totals(Counter({RunEnding.SUPPRESSED: 1}), since))
        else:
            way = _way(row.client if row else "", newest.get(key))
            picks.append(Pick(account, way, row))
    return picks, totals


def key_of(account: Account) -> int | None:
    """Return the key of the confirmation that has the account's client and time of request."""
    return account.confirmation_id or account.former_id


def _rows(accounts: Sequence[Account]) -> dict[int | None, tuple[Any, ...]]:
    rows = Confirmation.objects.filter(pk__in={key for a in accounts if (key := key_of(a))})
    columns = Row._fields[:-2]
    return {pk: tuple(values) for pk, *values in rows.values_list("pk", *columns)}


def _row(own: tuple[Any, ...] | None, newest: dict[str, Any] | None) -> Row | None:
    if own is None:
        return None
    facts = newest or {"dialect": "", "asked_at": None}
    return Row._make((*own, facts["dialect"], facts["asked_at"]))


def _past(run: Run | None, keys: Iterable[int | None]) -> dict[int | None, _Past]:
    under_way, known = states.IS_QUEUED | states.IS_CLAIMED, list(filter(None, keys))
    # The range is for planners: with outdated statistics, they take the rows of 1,000 keys for all.
    ends = Q(confirmation__gte=min(known, default=0), confirmation__lte=max(known, default=0))
    rows = Delivery.objects.filter(ends, confirmation__in=known).values_list("confirmation")
    counts = rows.annotate(
        newest=Max("pk"),
        in_run=Count("pk", filter=Q(run=run) if run else Q(pk=None)),
        under_way=Count("pk", filter=under_way),
    )
    return {key: _Past(*values) for key, *values in counts.order_by()}


def _newest(past: Mapping[int | None, _Past]) -> dict[int | None, dict[str, Any]]:
    """Return the way and the time of the request of each confirmation's newest message."""
    rows = Delivery.objects.filter(pk__in=[each.newest for each in past.values()])
    return {row.pop("confirmation"): row for row in rows.values("confirmation", "asked_at", *_WAY)}


def _way(client: str, newest: dict[str, Any] | None) -> dict[str, Any]:
    """Return the client and the landing: those of the newest message, if it still has a client."""
    if newest and clients.by_name(newest["client"]):
        return {name: newest[name] for name in _WAY}
    own = clients.by_name(client) or clients.default()
    return {"client": own.name if own else client}
