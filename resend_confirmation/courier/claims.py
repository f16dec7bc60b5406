"""Claiming due deliveries one at a time by conditional UPDATE, and marking what became of them."""

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
from ..limits import gate
from ..models import Confirmation, Delivery
from ..outcomes import DeliveryState, Reason
from ..signals import delivery_changed
from . import slots, superseding
from .deadline import BEATS

logger = logging.getLogger("resend_confirmation")

T = TypeVar("T")

#: Columns with words of mail servers and providers, which a message does not depend on.
FROM_OUTSIDE = {"provider_id", "error_class", "error_code"}

#: Said of a delivery whose courier never came back.
LEASE_EXPIRED = "LeaseExpired"
#: A row that ended its courier so often is the cause, not the victim.
MAX_INTERRUPTIONS = 5
#: Rows of dead couriers that one round makes due again.
MANY = 500
#: States of a message that went out, or may have.
GONE = frozenset({DeliveryState.SENT, DeliveryState.UNKNOWN})
#: Candidates that are read at once where rows cannot be locked and skipped.
FEW = 8


@dataclass(slots=True)
class Claim:
    """A delivery that is this courier's alone until the lease ends (by ``time.monotonic()``).

    ``is_superseded`` and ``supersedes`` say whether a newer delivery of its confirmation follows
    and whether older ones wait; ``passed`` is the address whose gate it passed, None before.
    """

    delivery: Delivery
    owner: str
    lease_ends: float
    is_superseded: bool = False
    supersedes: bool = False
    passed: Address | None = None


def new_owner() -> str:
    """A name for one round of one courier, for the lease; unique even within a process."""
    return f"{socket.gethostname()[:30]}:{os.getpid()}:{secrets.token_hex(8)}"[:64]


def lease() -> timedelta:
    """Twice the hard deadline of a send: shorter would let a slow send be repeated beside it."""
    return conf.get().SEND_DEADLINE * 2


def claim(owner: str) -> Claim | None:
    """The most overdue delivery, ours from now on; None when nothing is due.

    Committed before it returns: RuntimeError inside a transaction, which could undo the claim
    after the message went out.
    """
    ends = time.monotonic() + lease().total_seconds()
    pk = _lock_one(owner) if _skips_locked() else _win_one(owner)
    if pk is None:
        return None
    rows = superseding.with_others(Delivery.objects.select_related("confirmation"))
    delivery = rows.filter(pk=pk).first()
    if delivery is None:
        # Its account was deleted just now.
        return claim(owner)
    _tell(pk, DeliveryState.SENDING, Reason.NONE)
    return Claim(delivery, owner, ends, delivery.is_superseded, delivery.supersedes)


def _skips_locked() -> bool:
    return connections[database.using()].features.has_select_for_update_skip_locked


def _due() -> QuerySet[Delivery]:
    due = Delivery.objects.filter(state=DeliveryState.QUEUED, not_before__lte=database.latest())
    return due.order_by("not_before", "pk")


def _lock_one(owner: str) -> int | None:
    """One row that nobody else is claiming, where the database can step over locked ones."""
    due = _due()
    with database.atomic(durable=True):
        pk = due.select_for_update(skip_locked=True).values_list("pk", flat=True).first()
        return pk if pk is not None and _take(pk, owner) else None


def _win_one(owner: str) -> int | None:
    """One of a few rows that others may be trying for as well; whoever updates first has it."""
    while pks := list(_due().values_list("pk", flat=True)[:FEW]):
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
    """Make the rows of couriers that died due again, with the same Message-ID and link.

    One that was killed before it handed the message over left no doubt; after that the message
    may go out twice. A row whose couriers keep dying is given up.
    """
    now = database.now()
    expired = Delivery.objects.filter(state=DeliveryState.SENDING, lease_until__lt=now)
    for row in expired.order_by("pk")[:MANY]:
        # Whatever the tries before it came to: a later fault must not begin the count anew.
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
    """End a row in its dead courier's stead."""
    claim = Claim(row, row.lease_owner, 0.0)
    if row.handed_at is None:
        mark(claim, DeliveryState.FAILED, reason=Reason.INTERRUPTED)
    else:
        mark(claim, DeliveryState.UNKNOWN, reason=Reason.DOUBTFUL)


def pass_gate(claim: Claim, address: Address) -> timedelta:
    """Take the turn of the address; return zero, or how long to wait for the next."""
    # A send ends before its lease does, whatever becomes of this process.
    wait = gate.enter(claim.delivery, address, database.now() + lease())
    claim.passed = None if wait else address
    return wait


def hand_over(claim: Claim) -> bool:
    """Note that the message is about to be handed to the mail server; False: the lease is lost."""
    return _prolong(claim, claim.lease_ends, handed_at=database.now())


def beat(claim: Claim) -> None:
    """Lengthen the lease while a send lasts; the next beat is not to wait for this one."""
    _prolong(claim, time.monotonic() + conf.get().SEND_DEADLINE.total_seconds() / BEATS)


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
    """Write what became of a claimed delivery; False when the lease was lost meanwhile.

    Its confirmation learns the state in the same transaction, and ``told`` beside it, unless the
    message is to be tried again. Where nothing went out the cooldown's slot is given back.
    A message that was sent and not marked would be sent again, so this is repeated on new
    database connections until the lease ends.
    """
    if state not in {DeliveryState.QUEUED, DeliveryState.SENT}:
        values["ended_at"] = database.now()
    # The newer delivery's state is the confirmation's.
    superseded = values.get("reason") is Reason.SUPERSEDED

    def write(facts: dict[str, Any]) -> int:
        with database.atomic():
            held = _held(claim).update(state=state, lease_owner="", lease_until=None, **facts)
            # A provider's webhook may have been faster than the mark.
            if claim.passed and (held or state is DeliveryState.SENT):
                maybe = state in GONE or "doubts" in values or claim.delivery.doubts > 0
                gate.leave(claim.delivery, claim.passed, may_be_out=maybe)
            if held and state is DeliveryState.SUPERSEDED:
                slots.give_back_unit(claim.delivery)
            elif held and state in gate.UNSENT:
                slots.give_back(claim.delivery)
            if held and state is not DeliveryState.QUEUED and not superseded:
                rows = Confirmation.objects.filter(pk=claim.delivery.confirmation_id or 0)
                rows.update(last_delivery_state=state, **(told or {}))
            return held

    marked = _write_down(claim, write, values)
    if marked:
        _tell(claim.delivery.pk, state, values.get("reason", Reason.NONE))
    return bool(marked)


def note(claim: Claim, facts: dict[str, Any], told: Mapping[str, Any]) -> None:
    """Write what is known of a message whose state somebody else has written, once."""

    def write(facts: dict[str, Any]) -> None:
        with database.atomic():
            if Delivery.objects.filter(pk=claim.delivery.pk, sent_at=None).update(**facts):
                Confirmation.objects.filter(pk=claim.delivery.confirmation_id or 0).update(**told)

    _write_down(claim, write, facts)


def _write_down(claim: Claim, write: Callable[[dict[str, Any]], T], facts: dict[str, Any]) -> T:
    """``write(facts)``, repeated until the lease ends, without those that the database refuses.

    No error of the database may decide that a message is sent again.
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
