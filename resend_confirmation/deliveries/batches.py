"""Batches: several deliveries claimed at once, each of which is handed over by itself.

A claim made ahead counts as an attempt when its turn comes. A courier that dies therefore uses up
no attempts of the deliveries behind the current one.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db.models import QuerySet

from .. import columns, database, failures
from ..addresses import Address
from ..limits import budget
from ..models import Delivery
from ..outcomes import DeliveryState, Reason
from . import claims, gate, outbox, states, steps, superseding
from .claims import Claim


def claim(owner: str, limit: int) -> list[Claim]:
    """Claim up to ``limit`` of the most overdue deliveries.

    Return nothing if the first one has to be claimed by itself. The claims are committed before the
    function returns. Raise RuntimeError inside a transaction.
    """
    ends = time.monotonic() + claims.lease().total_seconds()
    pks = (_lock if claims.skips_locked() else _win)(owner, limit)
    if not pks:
        return []
    mine = _rows().filter(states.IS_CLAIMED, lease_owner=owner, pk__in=pks)
    made = [_claim(row, owner, ends) for row in mine.order_by("not_before", "pk")]
    for each in made:
        outbox.announce(each.delivery.pk, DeliveryState.SENDING, Reason.NONE)
    return made


def _rows() -> QuerySet[Delivery]:
    rows: QuerySet[Delivery] = superseding.with_others(
        Delivery.objects.select_related("confirmation")
    )
    return rows


def _claim(row: Any, owner: str, ends: float) -> Claim:
    return Claim(row, owner, ends, row.is_superseded, row.supersedes)


def _lock(owner: str, limit: int) -> list[int]:
    """Claim rows that are not locked, on databases with SKIP LOCKED."""
    due = claims.due().select_for_update(skip_locked=True)
    with database.atomic(durable=True):
        pks = _together(due, limit)
        return pks if pks and _take(pks, owner) else []


def _win(owner: str, limit: int) -> list[int]:
    """Claim some of the due rows, on databases without SKIP LOCKED; the first UPDATE wins."""
    while pks := _together(claims.due(), limit):
        with database.atomic(durable=True):
            if _take(pks, owner):
                return pks
    return []


def _together(due: QuerySet[Delivery], limit: int) -> list[int]:
    """Return the keys of the first due rows, up to one that has to be claimed by itself.

    A delivery that was interrupted may be what ended its courier. A delivery without a slot takes
    one at the gate, in an order that depends on those that still wait.
    """
    pks = []
    for pk, reason, slot_at in due.values_list("pk", "reason", "slot_at")[:limit]:
        if reason == Reason.INTERRUPTED or slot_at is None:
            break
        pks.append(pk)
    return pks


def _take(pks: Sequence[int], owner: str) -> int:
    rows = Delivery.objects.filter(states.FROM[DeliveryState.SENDING], pk__in=pks)
    return rows.update(
        state=DeliveryState.SENDING,
        lease_owner=owner,
        lease_until=database.now() + claims.lease(),
        handed_at=None,
    )


def begin(ahead: Claim) -> Claim | None:
    """Begin the attempt of a claim made ahead. Return it as it is now, or None if it was lost."""
    until = time.monotonic() + database.RECONNECT_SECONDS
    return database.retry_on_disconnect(partial(_begin, ahead), until)


def _begin(ahead: Claim) -> Claim | None:
    lease, pk = claims.lease(), ahead.delivery.pk
    ends = time.monotonic() + lease.total_seconds()
    rows = Delivery.objects.filter(claims.is_held(ahead), pk=pk)
    rows.update(**_attempt(ahead), lease_until=database.now() + lease, handed_at=None)
    # Without the row, the lease was lost.
    row = _rows().filter(claims.is_held(ahead), pk=pk).first()
    if row is None:
        return None
    begun = _claim(row, ahead.owner, ends)
    begun.passed = ahead.passed
    return begun


def _attempt(ahead: Claim) -> dict[str, int]:
    """Return the count of attempts with this one; not an increment, since it may be repeated."""
    return {"attempts": ahead.delivery.attempts + 1}


def put_back(ahead: Sequence[Claim]) -> None:
    """Make claims due again that were made ahead and are not needed. Errors are logged.

    If it fails, the deliveries are due again when their leases expire.
    """
    try:
        until = time.monotonic() + database.RECONNECT_SECONDS
        database.retry_on_disconnect(partial(_put_back, ahead), until)
    except Exception:
        failures.report("Deliveries that were claimed ahead could not be put back")


def _put_back(ahead: Sequence[Claim]) -> None:
    with database.atomic():
        for each in ahead:
            pk, reason = each.delivery.pk, each.delivery.reason
            states.move(pk, DeliveryState.QUEUED, claims.is_held(each), reason=reason)


def hand_over(
    ahead: Claim, address: Address, link: dict[str, Any], mark_last: Callable[[], bool]
) -> tuple[bool, bool]:
    """Record that the message of ``ahead`` is about to be handed over, with the result of the last.

    One transaction executes ``mark_last``, passes the gate and the budget, and writes ``link`` and
    the hand-over. Return whether the last message was marked, and whether this one may be handed
    over. It may not if its lease was lost, its confirmation is no longer pending, a newer delivery
    exists, or a limit delays it. If the courier is killed, only one message is in doubt: the last
    one before the commit, this one after it.
    """
    lease = claims.lease()
    ends = time.monotonic() + lease.total_seconds()
    # If an error leaves it unknown whether the gate was passed, it has to be left.
    ahead.passed = address
    with database.atomic():
        is_marked = mark_last()
        now = database.now()
        until = now + lease
        is_handed = (
            gate.reserve(ahead.delivery, address, now, until)
            and not _is_over_budget(ahead.delivery)
            and steps.hand_over(
                ahead.delivery.pk,
                ahead.owner,
                **_attempt(ahead),
                **link,
                lease_until=until,
                handed_at=now,
            )
        )
    if is_handed:
        ahead.lease_ends = ends
    return is_marked, is_handed


def _is_over_budget(delivery: Delivery) -> bool:
    sends = delivery.confirmation.sends if delivery.confirmation else 0
    return budget.take(delivery.origin, sends) is not None


def mark_sent(ahead: Claim, provider_id: str) -> bool:
    """Mark an accepted message in the caller's transaction, once; return False if it was not.

    Its gate stays reserved until ``finish`` is called.
    """
    delivery, now = ahead.delivery, database.now()
    facts = columns.fit(Delivery, {"sent_at": now, "provider_id": provider_id})
    if not steps.mark_sent(delivery.pk, ahead.owner, **facts):
        return False
    steps.count_sent(delivery.confirmation_id, now)
    outbox.announce(delivery.pk, DeliveryState.SENT, Reason.NONE)
    return True


def finish(sent: Sequence[Claim], mark_last: Callable[[], bool]) -> bool:
    """Execute ``mark_last``, and leave the gates of ``sent``, in one transaction.

    Return whether the last message was marked. If this fails, the gates are open when the gap after
    the ends of the leases is over.
    """
    addresses = {each.delivery.pk: each.passed for each in sent if each.passed}
    with database.atomic():
        is_marked = mark_last()
        gate.leave_all(addresses)
    return is_marked
