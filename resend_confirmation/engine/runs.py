"""Bulk runs: messages for many accounts, queued in batches, one for each account and run."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import F, QuerySet

from .. import clients, conf, database, failures
from ..accounts import Account
from ..deliveries import outbox, states
from ..deliveries.outbox import NewDelivery
from ..limits import cooldown
from ..models import Confirmation, Delivery, Run
from ..outcomes import DeliveryState, Origin, Outcome, Priority, Reason
from .run_choice import Chooses, Pick, RunEnding, Totals, pick
from .signup import ensure_all

#: Default number of accounts in a batch. Each batch is a separate transaction.
BATCH = 1000
#: Queued messages of runs that are counted. Counting a million takes half a second.
MOST = 100_000


class RunCancelledError(Exception):
    """The run was cancelled."""


class RunTooOldError(Exception):
    """Whom the run wrote to is no longer known, since its first deliveries may be pruned."""


def begin_run(name: str) -> Run:
    """Return the run ``name``; start it if there is none.

    Raise RunCancelledError if it was cancelled, and RunTooOldError if it began before the "ended"
    time of RETENTION.
    """
    run, _ = Run.objects.get_or_create(name=name, defaults={"started_at": database.now()})
    if run.cancelled_at is not None:
        raise RunCancelledError
    if run.started_at < database.now() - conf.get().RETENTION.ended:
        raise RunTooOldError
    return run


@failures.discreet
@database.retry_on_deadlock
def queue(
    run: Run,
    accounts: Sequence[Account],
    chooses: Chooses,
    *,
    most: int | None = None,
    rate: float | None = None,
    note: Callable[[Sequence[Pick], Sequence[NewDelivery]], None] = lambda picks, rows: None,
) -> Totals:
    """Queue the run's message for each of ``accounts`` that it chooses, in one transaction.

    An account that the run wrote to before, or whose message is under way, gets none. If the
    cooldown of an address lasts, its message waits until it is over. ``most`` is the highest
    number of messages, ``rate`` the number of messages that become due in a second. ``note`` is
    called in the transaction with what was queued. Raise RunCancelledError if the run was
    cancelled.
    """
    with database.atomic():
        # The row stays locked, so that another process of the same run waits for this batch.
        if not Run.objects.filter(pk=run.pk, cancelled_at=None).update(queued=F("queued")):
            raise RunCancelledError
        picks, totals = pick(run, accounts, chooses)
        picks = picks[:most]
        if picks:
            rows = _deliveries(run, picks, rate)
            outbox.queue_all(rows)
            note(picks, rows)
            delayed = sum("slot_at" not in row.columns for row in rows)
            totals.endings[RunEnding.DELAYED] = delayed
            totals.endings[Outcome.SENT] = len(rows) - delayed
    return totals


def cancel(run: Run) -> int:
    """Cancel the run, and its messages that no courier has claimed; return their number.

    The slots of these messages are released. It may be called again after an interruption.
    """
    Run.objects.filter(pk=run.pk, cancelled_at=None).update(cancelled_at=database.now())
    total = 0
    while count := _cancel_some(run):
        total += count
    return total


def waiting() -> Counter[int]:
    """Return the number of queued messages of each run, by its key, among the first ``MOST``."""
    # In the order of the index: with outdated statistics, a planner would sort all rows.
    runs_of = _queued().order_by("priority", "not_before", "pk").values_list("run", flat=True)
    return Counter(runs_of[:MOST])


def _queued() -> QuerySet[Delivery]:
    return Delivery.objects.filter(state=DeliveryState.QUEUED, priority=Priority.RUN)


@database.retry_on_deadlock
def _cancel_some(run: Run) -> int:
    with database.atomic():
        # The first statement writes: on SQLite, no courier can then claim what is read next.
        Run.objects.filter(pk=run.pk).update(queued=F("queued"))
        rows = _queued().filter(run=run).order_by("not_before", "pk").select_for_update()
        found = list(rows[:BATCH])
        unsent = [row for row in found if not row.doubts]
        _release(unsent)
        for some in (unsent, [row for row in found if row.doubts]):
            _end(some)
    return len(found)


def _release(rows: Sequence[Delivery]) -> None:
    """Release the slots of messages that were not sent."""
    known = Confirmation.objects.in_bulk({row.confirmation_id for row in rows})
    slots = {
        address: row.slot_at
        for row in rows
        if row.slot_at and (address := known[row.confirmation_id].parsed)
    }
    cooldown.release_all(slots)


def _end(rows: Sequence[Delivery]) -> None:
    """End messages that are all uncertain, or all unsent."""
    if rows:
        state, reason = states.ending(Reason.CANCELLED, doubts=rows[0].doubts)
        for row in rows:
            row.reason = reason
        chosen = Delivery.objects.filter(pk__in=[row.pk for row in rows])
        chosen.update(state=state, reason=reason, ended_at=database.now())
        database.on_commit(partial(outbox.announce_all, rows, state))


def _deliveries(run: Run, picks: Sequence[Pick], rate: float | None) -> list[NewDelivery]:
    """Take slots, and return the deliveries to insert; count them in the run."""
    now, gap = database.now(), conf.get().COOLDOWN.gap
    default = clients.default()
    accounts = [pick.account for pick in picks]
    keys = ensure_all(accounts, client=default.name if default else "")
    waits = cooldown.take_all({a.mailbox.canonical: a.cooldown for a in accounts}, now)
    sharing: Counter[str] = Counter()
    shared = {"run": run, "origin": Origin.RUN, "priority": Priority.RUN}
    shared |= {"asked_at": now, "not_before": now}
    rows = []
    for key, (account, way, _) in zip(keys, picks, strict=True):
        text = account.mailbox.canonical
        # Accounts that share an address share its slot: their messages follow one another.
        columns = {**shared, **way}
        if waits[text] or sharing[text]:
            columns["reason"] = Reason.TURN
            columns["not_before"] += timedelta(seconds=waits[text]) + sharing[text] * gap
        else:
            columns["slot_at"] = now
        sharing[text] += 1
        rows.append(NewDelivery(key, columns))
    _spread(run, rows, now, rate)
    return rows


def _spread(run: Run, rows: Sequence[NewDelivery], now: datetime, rate: float | None) -> None:
    """Make the messages due one after the other, and count them in the run."""
    changes: dict[str, Any] = {"queued": F("queued") + len(rows)}
    if rate:
        run.refresh_from_db(fields=["next_at"])
        begins = max(now, run.next_at or now)
        for place, (_, columns) in enumerate(rows):
            at = begins + timedelta(seconds=place / rate)
            columns["not_before"] = max(columns["not_before"], at)
        changes["next_at"] = begins + timedelta(seconds=len(rows) / rate)
    Run.objects.filter(pk=run.pk).update(**changes)
