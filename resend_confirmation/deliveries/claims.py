"""Claims of due deliveries, one at a time by conditional UPDATE, and their results."""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.db import Error, connections
from django.db.models import F, Q, QuerySet

from .. import columns, conf, database
from ..addresses import Address
from ..deadline import HEARTBEATS
from ..models import Confirmation, Delivery
from ..outcomes import DeliveryState, Priority, Reason
from . import gate, states, superseding

logger = logging.getLogger("resend_confirmation")

T = TypeVar("T")

#: Columns with values of mail servers and providers. Messages do not depend on them.
FROM_OUTSIDE = {"provider_id", "error_class", "error_code", "error_text"}

#: ``error_class`` of a delivery after its lease expired.
LEASE_EXPIRED = "LeaseExpired"
#: A delivery with more attempts than this is given up when its lease expires: it probably crashes
#: the courier.
MAX_INTERRUPTIONS = 5
#: Limit of expired leases that one round requeues.
RECLAIM_LIMIT = 500
#: Number of rows read per attempt if the database has no SKIP LOCKED.
CANDIDATES = 8


@dataclass(slots=True)
class Claim:
    """A delivery leased to this courier until ``lease_ends``, a time of ``time.monotonic()``.

    ``is_superseded`` is True if a newer delivery of its confirmation exists, ``supersedes`` if
    older ones wait. ``passed`` is the address for which it passed the gate, None before that.
    """

    delivery: Delivery
    owner: str
    lease_ends: float
    is_superseded: bool = False
    supersedes: bool = False
    passed: Address | None = None


def new_owner() -> str:
    """Return a name for the leases of one round, unique even within a process."""
    return f"{socket.gethostname()[:30]}:{os.getpid()}:{secrets.token_hex(8)}"[:64]


def lease() -> timedelta:
    """Return twice the send deadline, so that a slow send is not repeated in parallel."""
    return conf.get().SEND_DEADLINE * 2


def claim(owner: str) -> Claim | None:
    """Claim the most overdue delivery, or return None if nothing is due.

    The claim is committed before the function returns. Raise RuntimeError inside a transaction,
    since a rollback could undo the claim after the message was sent.
    """
    ends = time.monotonic() + lease().total_seconds()
    pk = _lock_one(owner) if skips_locked() else _win_one(owner)
    if pk is None:
        return None
    rows = superseding.with_others(Delivery.objects.select_related("confirmation"))
    delivery = rows.filter(pk=pk).first()
    if delivery is None:
        # The delivery was deleted just now, with its account.
        return claim(owner)
    return Claim(delivery, owner, ends, delivery.is_superseded, delivery.supersedes)


def skips_locked() -> bool:
    """Return whether the database can skip rows that others have locked."""
    return connections[database.using()].features.has_select_for_update_skip_locked


def due(priority: Priority) -> QuerySet[Delivery]:
    """Return the due deliveries of one priority, the most overdue first."""
    rows = Delivery.objects.filter(state=DeliveryState.QUEUED, priority=priority)
    return rows.filter(not_before__lte=database.latest()).order_by("not_before", "pk")


def is_anybody_waiting() -> bool:
    """Return whether a message that a person requested is due."""
    return due(Priority.PEOPLE).exists()


def _lock_one(owner: str) -> int | None:
    """Claim one row that is not locked, on databases with SKIP LOCKED."""
    with database.atomic(durable=True):
        for priority in Priority:
            rows = due(priority).select_for_update(skip_locked=True)
            pk = rows.values_list("pk", flat=True).first()
            if pk is not None:
                return pk if _take(pk, owner) else None
    return None


def _win_one(owner: str) -> int | None:
    """Claim one of a few due rows, on databases without SKIP LOCKED; the first UPDATE wins."""
    for priority in Priority:
        while pks := list(due(priority).values_list("pk", flat=True)[:CANDIDATES]):
            for pk in pks:
                with database.atomic(durable=True):
                    if _take(pk, owner):
                        return pk
    return None


def _take(pk: int, owner: str) -> bool:
    return states.move(
        pk,
        DeliveryState.SENDING,
        attempts=F("attempts") + 1,
        lease_owner=owner,
        lease_until=database.now() + lease(),
        handed_at=None,
    )


def reclaim() -> None:
    """Requeue deliveries after their lease expired, with the same Message-ID and link.

    If a courier died before the hand-over, the attempt is not ambiguous. If it died later, the
    message may be sent twice. A delivery with more than ``MAX_INTERRUPTIONS`` attempts is given up
    instead.
    """
    now = database.now()
    is_expired = Q(lease_until__lt=now)
    # In the order of the index by state: in that of the keys, some would read the whole table.
    rows = Delivery.objects.filter(is_expired, state=DeliveryState.SENDING)
    for row in rows.order_by("priority", "not_before", "pk")[:RECLAIM_LIMIT]:
        # Earlier results do not matter: a later fault must not reset the count.
        if row.attempts > MAX_INTERRUPTIONS:
            _give_up(row)
            continue
        states.move(
            row.pk,
            DeliveryState.QUEUED,
            states.IS_CLAIMED & is_expired,
            not_before=now,
            doubts=F("doubts") + int(row.handed_at is not None),
            reason=Reason.INTERRUPTED,
            error_class=LEASE_EXPIRED,
            error_code="",
            error_text="",
        )


def _give_up(row: Delivery) -> None:
    """Give up a delivery after its courier died."""
    reason = Reason.INTERRUPTED if row.handed_at is None else Reason.DOUBTFUL
    end(Claim(row, row.lease_owner, 0.0), reason)


def pass_gate(claim: Claim, address: Address) -> timedelta:
    """Pass the gate of the address. Return zero, or how long to wait before the next try."""
    # The send ends before its lease does, even if this process dies.
    wait = gate.enter(claim.delivery, address, database.now() + lease())
    claim.passed = None if wait else address
    return wait


def hand_over(claim: Claim) -> bool:
    """Record that the message is about to be handed over. Return False if the lease is lost."""
    return _prolong(claim, claim.lease_ends, handed_at=database.now())


def heartbeat(claim: Claim) -> None:
    """Extend the lease during a long send. Errors are retried until the next heartbeat is due."""
    _prolong(claim, time.monotonic() + conf.get().SEND_DEADLINE.total_seconds() / HEARTBEATS)


def _prolong(claim: Claim, until: float, **values: Any) -> bool:
    ends = time.monotonic() + lease().total_seconds()

    def extend() -> int:
        rows = Delivery.objects.filter(is_held(claim), pk=claim.delivery.pk)
        return rows.update(lease_until=database.now() + lease(), **values)

    held = database.retry_on_disconnect(extend, until)
    if held:
        claim.lease_ends = ends
    return bool(held)


def end(claim: Claim, reason: Reason, **values: Any) -> bool:
    """Record that a claimed delivery ended for ``reason``, NONE if it was sent; see ``mark``."""
    state, recorded = states.ending(reason, doubts=claim.delivery.doubts)
    return mark(claim, state, reason=recorded, **values)


def mark(
    claim: Claim,
    state: DeliveryState,
    *,
    summary: Mapping[str, Any] | None = None,
    **values: Any,
) -> bool:
    """Record the result of a claimed delivery. Return False if the lease was lost.

    The same transaction writes the state, and the columns in ``summary``, to the confirmation,
    unless the delivery is requeued or superseded. If the delivery ended without a message, its slot
    of the cooldown is released. A sent message that is not marked would be sent again, so the write
    is retried on new database connections until the lease ends.
    """
    # The confirmation takes its state from the newer delivery.
    superseded = values.get("reason") is Reason.SUPERSEDED

    def write(facts: dict[str, Any]) -> bool:
        with database.atomic():
            held = states.move(claim.delivery.pk, state, is_held(claim), **facts)
            # A provider's webhook may have been faster than the mark.
            if claim.passed and (held or state is DeliveryState.SENT):
                is_ambiguous = "doubts" in values or claim.delivery.doubts > 0
                maybe = state in states.MAYBE_SENT or is_ambiguous
                gate.leave(claim.delivery, claim.passed, may_be_out=maybe)
            if held:
                states.release(claim.delivery, state)
            if held and state is not DeliveryState.QUEUED and not superseded:
                states.copy_to_confirmation(
                    claim.delivery.confirmation_id, state, **(summary or {})
                )
            return held

    return _write_down(claim, write, values)


def note(claim: Claim, facts: dict[str, Any], summary: Mapping[str, Any]) -> None:
    """Write ``facts`` and ``summary`` once, if another process has set the state."""

    def write(facts: dict[str, Any]) -> None:
        with database.atomic():
            if Delivery.objects.filter(pk=claim.delivery.pk, sent_at=None).update(**facts):
                Confirmation.objects.filter(pk=claim.delivery.confirmation_id or 0).update(
                    **summary
                )

    _write_down(claim, write, facts)


def _write_down(claim: Claim, write: Callable[[dict[str, Any]], T], facts: dict[str, Any]) -> T:
    """Return ``write(facts)``, retried until the lease ends.

    If the write fails, the values of mail servers and providers are left out. No database error may
    cause a message to be sent again.
    """
    facts = columns.fit(Delivery, facts)
    certain = {name: value for name, value in facts.items() if name not in FROM_OUTSIDE}

    def work() -> T:
        try:
            return write(facts)
        except database.DISCONNECTS:
            raise
        except Exception as error:
            if certain == facts:
                raise
            pk, name = claim.delivery.pk, type(error).__name__
            logger.warning(
                "The mail server's reply to delivery %d could not be stored (%s)", pk, name
            )
            return write(certain)

    return database.retry_on_disconnect(work, claim.lease_ends, errors=(Error,))


def put_back(claim: Claim, wait: timedelta, **values: Any) -> bool:
    """Make a claimed delivery due again after ``wait``."""
    return mark(claim, DeliveryState.QUEUED, not_before=database.now() + wait, **values)


def is_held(claim: Claim) -> Q:
    """Return the condition that the claim has not been lost."""
    return states.IS_CLAIMED & Q(lease_owner=claim.owner)
