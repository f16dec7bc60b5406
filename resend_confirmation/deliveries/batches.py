"""Batches: several deliveries claimed at once, each of which is handed over by itself.

A claim made ahead counts as an attempt when its turn comes. A courier that dies therefore uses up
no attempts of the deliveries behind the current one.
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from django.db.models import QuerySet

from .. import columns, database, failures
from ..addresses import Address
from ..limits import budget
from ..models import Delivery
from ..outcomes import DeliveryState, Priority, Reason
from . import claims, gate, outbox, states, steps, superseding
from .claims import Claim


class Accepted(NamedTuple):
    """A message that was accepted and is not marked yet."""

    claim: Claim
    provider_id: str


class _Found(NamedTuple):
    """Whether any row is due, and the keys of those that are claimed together."""

    is_due: bool
    pks: list[int]


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
    with database.atomic(durable=True):
        for priority in Priority:
            due = claims.due(priority).select_for_update(skip_locked=True)
            is_due, pks = _together(due, limit)
            if is_due:
                return pks if pks and _take(pks, owner) else []
    return []


def _win(owner: str, limit: int) -> list[int]:
    """Claim some of the due rows, on databases without SKIP LOCKED; the first UPDATE wins."""
    for priority in Priority:
        while (found := _together(claims.due(priority), limit)).is_due:
            with database.atomic(durable=True):
                if not found.pks or _take(found.pks, owner):
                    return found.pks
    return []


def _together(due: QuerySet[Delivery], limit: int) -> _Found:
    """Return the keys of the first due rows, up to one that has to be claimed by itself.

    A delivery that was interrupted may be what ended its courier. A delivery without a slot takes
    one at the gate, in an order that depends on those that still wait.
    """
    rows, pks = list(due.values_list("pk", "reason", "slot_at")[:limit]), []
    for pk, reason, slot_at in rows:
        if reason == Reason.INTERRUPTED or slot_at is None:
            break
        pks.append(pk)
    return _Found(bool(rows), pks)


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
    reasons = {each.delivery.pk: Reason(each.delivery.reason) for each in ahead}
    with database.atomic():
        held = Delivery.objects.filter(claims.is_held(ahead[0]), pk__in=reasons)
        pks = list(held.select_for_update().values_list("pk", flat=True))
        held.update(state=DeliveryState.QUEUED, lease_owner="", lease_until=None)
        gate.leave_all(_passed(ahead, maybe_sent=False), may_be_out=False)
        gate.leave_all(_passed(ahead, maybe_sent=True))
        for pk in pks:
            outbox.announce(pk, DeliveryState.QUEUED, reasons[pk])


def reserve(ahead: Sequence[tuple[Claim, Address]]) -> None:
    """Pass the gates of claims and their addresses together.

    ``passed`` is set for those that passed. The others wait, or are decided one by one.
    """
    wanted: dict[str, tuple[Claim, Address]] = {}
    for claim, address in ahead:
        wanted.setdefault(address.canonical, (claim, address))
    # If an error leaves it unknown whether a gate was passed, it has to be left.
    for claim, address in wanted.values():
        claim.passed = address
    addresses = {claim.delivery.pk: address for claim, address in wanted.values()}
    passed = gate.reserve_all(addresses, database.now() + claims.lease())
    for claim, _ in wanted.values():
        if claim.delivery.pk not in passed:
            claim.passed = None


def _passed(ahead: Sequence[Claim], *, maybe_sent: bool) -> dict[int, Address]:
    rows = [each for each in ahead if bool(each.delivery.doubts) is maybe_sent]
    return {each.delivery.pk: each.passed for each in rows if each.passed}


def hand_over(ahead: Claim, link: dict[str, Any], last: Accepted | None) -> tuple[bool, bool]:
    """Record that the message of ``ahead`` is about to be handed over, and mark the last one.

    One transaction does both; it also writes ``link``. Return whether the last message was marked,
    and whether this one may be handed over. It may not if its lease was lost, its confirmation is
    no longer pending, a newer delivery exists, or the budget is used up. If the courier is killed,
    only one message is in doubt: the last one before the commit, this one after it.
    """
    if _is_over_budget(ahead.delivery):
        return False, False
    lease = claims.lease()
    ends, now = time.monotonic() + lease.total_seconds(), database.now()
    values = {**_attempt(ahead), **link, "lease_until": now + lease, "handed_at": now}
    if last is not None and steps.joins_updates():
        is_marked, is_handed = steps.mark_and_hand_over(
            {**_facts(last), "confirmation_id": last.claim.delivery.confirmation_id},
            pk=ahead.delivery.pk,
            owner=ahead.owner,
            **values,
        )
        if is_marked:
            outbox.announce(last.claim.delivery.pk, DeliveryState.SENT, Reason.NONE)
    else:
        with database.atomic():
            is_marked = last is not None and mark_sent(last)
            is_handed = steps.hand_over(ahead.delivery.pk, ahead.owner, **values)
    if is_handed:
        ahead.lease_ends = ends
    return is_marked, is_handed


def _facts(last: Accepted) -> dict[str, Any]:
    facts = {"sent_at": database.now(), "provider_id": last.provider_id}
    key = {"pk": last.claim.delivery.pk, "owner": last.claim.owner}
    return {**key, **columns.fit(Delivery, facts)}


def _is_over_budget(delivery: Delivery) -> bool:
    sends = delivery.confirmation.sends if delivery.confirmation else 0
    return budget.take(delivery.origin, sends) is not None


def mark_sent(last: Accepted) -> bool:
    """Mark an accepted message in the caller's transaction, once; return False if it was not.

    Its gate stays reserved until ``finish`` is called.
    """
    facts, delivery = _facts(last), last.claim.delivery
    if not steps.mark_sent(**facts):
        return False
    steps.count_sent(delivery.confirmation_id, facts["sent_at"])
    outbox.announce(delivery.pk, DeliveryState.SENT, Reason.NONE)
    return True


def finish(sent: Sequence[Claim], last: Accepted | None) -> bool:
    """Mark the last message, and leave the gates of ``sent``, in one transaction.

    Return whether the last message was marked. If this fails, the gates are open when the gap after
    the ends of the leases is over.
    """
    addresses = {each.delivery.pk: each.passed for each in sent if each.passed}
    with database.atomic():
        is_marked = last is not None and mark_sent(last)
        gate.leave_all(addresses)
    return is_marked
