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
from django.db.models import F, QuerySet

from .. import columns, conf, database
from ..addresses import Address
from ..deadline import HEARTBEATS
from ..models import Confirmation, Delivery
from ..outcomes import DeliveryState, Reason
from ..signals import delivery_changed
from . import gate, states, superseding

logger = logging.getLogger("resend_confirmation")

T = TypeVar("T")

#: Columns with values of mail servers and providers. Messages do not depend on them.
FROM_OUTSIDE = {"provider_id", "error_class", "error_code"}

#: ``error_class`` of a delivery after its lease expired.
LEASE_EXPIRED = "LeaseExpired"
#: A delivery with more attempts than this is given up when its lease expires: it probably crashes
#: the courier.
MAX_INTERRUPTIONS = 5
#: Limit of expired leases that one round requeues.
RECLAIM_LIMIT = 500
#: States of a message that was sent, or may have been.
MAYBE_SENT = frozenset({DeliveryState.SENT, DeliveryState.UNKNOWN})
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
    pk = _lock_one(owner) if _skips_locked() else _win_one(owner)
    if pk is None:
        return None
    rows = superseding.with_others(Delivery.objects.select_related("confirmation"))
    delivery = rows.filter(pk=pk).first()
    if delivery is None:
        # The delivery was deleted just now, with its account.
        return claim(owner)
    _tell(pk, DeliveryState.SENDING, Reason.NONE)
    return Claim(delivery, owner, ends, delivery.is_superseded, delivery.supersedes)


def _skips_locked() -> bool:
    return connections[database.using()].features.has_select_for_update_skip_locked


def _due() -> QuerySet[Delivery]:
    due = Delivery.objects.filter(state=DeliveryState.QUEUED, not_before__lte=database.latest())
    return due.order_by("not_before", "pk")


def _lock_one(owner: str) -> int | None:
    """Claim one row that is not locked, on databases with SKIP LOCKED."""
    due = _due()
    with database.atomic(durable=True):
        pk = due.select_for_update(skip_locked=True).values_list("pk", flat=True).first()
        return pk if pk is not None and _take(pk, owner) else None


def _win_one(owner: str) -> int | None:
    """Claim one of a few due rows, on databases without SKIP LOCKED; the first UPDATE wins."""
    while pks := list(_due().values_list("pk", flat=True)[:CANDIDATES]):
        for pk in pks:
            with database.atomic(durable=True):
                if _take(pk, owner):
                    return pk
    return None


def _take(pk: int, owner: str) -> bool:
    taken = Delivery.objects.filter(pk=pk, state=DeliveryState.QUEUED).update(
        state=DeliveryState.SENDING,
        attempts=F("attempts") + 1,
        lease_owner=owner,
        lease_until=database.now() + lease(),
        handed_at=None,
    )
    return bool(taken)


def reclaim() -> None:
    """Requeue deliveries after their lease expired, with the same Message-ID and link.

    If a courier died before the hand-over, the attempt is not ambiguous. If it died later, the
    message may be sent twice. A delivery with more than ``MAX_INTERRUPTIONS`` attempts is given up
    instead.
    """
    now = database.now()
    expired = Delivery.objects.filter(state=DeliveryState.SENDING, lease_until__lt=now)
    for row in expired.order_by("pk")[:RECLAIM_LIMIT]:
        # Earlier results do not matter: a later fault must not reset the count.
        if row.attempts > MAX_INTERRUPTIONS:
            _give_up(row)
            continue
        again = expired.filter(pk=row.pk, lease_owner=row.lease_owner).update(
            state=DeliveryState.QUEUED,
            not_before=now,
            lease_owner="",
            lease_until=None,
            doubts=F("doubts") + int(row.handed_at is not None),
            reason=Reason.INTERRUPTED,
            error_class=LEASE_EXPIRED,
            error_code="",
        )
        if again:
            _tell(row.pk, DeliveryState.QUEUED, Reason.INTERRUPTED)


def _give_up(row: Delivery) -> None:
    """Give up a delivery after its courier died."""
    claim = Claim(row, row.lease_owner, 0.0)
    if row.handed_at is None:
        mark(claim, DeliveryState.FAILED, reason=Reason.INTERRUPTED)
    else:
        mark(claim, DeliveryState.UNKNOWN, reason=Reason.DOUBTFUL)


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
        return _held(claim).update(lease_until=database.now() + lease(), **values)

    held = database.retry_on_disconnect(extend, until)
    if held:
        claim.lease_ends = ends
    return bool(held)


def mark(
    claim: Claim,
    state: DeliveryState,
    *,
    told: Mapping[str, Any] | None = None,
    **values: Any,
) -> bool:
    """Record the result of a claimed delivery. Return False if the lease was lost.

    The same transaction writes the state and ``told`` to the confirmation, unless the delivery is
    requeued or superseded. If the delivery ended without a message, its slot of the cooldown is
    released. A sent message that is not marked would be sent again, so the write is retried on
    new database connections until the lease ends.
    """
    if state not in {DeliveryState.QUEUED, DeliveryState.SENT}:
        values["ended_at"] = database.now()
    # The confirmation takes its state from the newer delivery.
    superseded = values.get("reason") is Reason.SUPERSEDED

    def write(facts: dict[str, Any]) -> int:
        with database.atomic():
            held = _held(claim).update(state=state, lease_owner="", lease_until=None, **facts)
            # A provider's webhook may have been faster than the mark.
            if claim.passed and (held or state is DeliveryState.SENT):
                maybe = state in MAYBE_SENT or "doubts" in values or claim.delivery.doubts > 0
                gate.leave(claim.delivery, claim.passed, may_be_out=maybe)
            if held:
                states.release(claim.delivery, state)
            if held and state is not DeliveryState.QUEUED and not superseded:
                rows = Confirmation.objects.filter(pk=claim.delivery.confirmation_id or 0)
                rows.update(last_delivery_state=state, **(told or {}))
            return held

    marked = _write_down(claim, write, values)
    if marked:
        _tell(claim.delivery.pk, state, values.get("reason", Reason.NONE))
    return bool(marked)


def note(claim: Claim, facts: dict[str, Any], told: Mapping[str, Any]) -> None:
    """Write ``facts`` and ``told`` once, after another process has set the state."""

    def write(facts: dict[str, Any]) -> None:
        with database.atomic():
            if Delivery.objects.filter(pk=claim.delivery.pk, sent_at=None).update(**facts):
                Confirmation.objects.filter(pk=claim.delivery.confirmation_id or 0).update(**told)

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


def _held(claim: Claim) -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        pk=claim.delivery.pk, state=DeliveryState.SENDING, lease_owner=claim.owner
    )


def _tell(delivery_id: int, state: DeliveryState, reason: Reason) -> None:
    delivery_changed.send_robust(Delivery, delivery_id=delivery_id, state=state, reason=reason)
