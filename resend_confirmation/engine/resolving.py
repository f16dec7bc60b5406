"""Resolving quiet asks, away from the request: who was meant, and does a message follow."""

import logging
from datetime import timedelta

from django.db import router, transaction

from .. import addresses, clients
from ..courier import clock
from ..models import Delivery
from ..outcomes import DeliveryState, Outcome, Reason
from ..signals import delivery_changed
from . import cooldown, matching
from .asking import queue
from .signup import ensure_confirmation

logger = logging.getLogger("resend_confirmation")

#: An ask that cannot be resolved is tried again after a minute, so often.
ATTEMPTS = 5
PAUSE = timedelta(minutes=1)


def resolve(limit: int = 100) -> int:
    """Resolve up to ``limit`` due asks; each becomes queued, or ignored with the reason.

    Safe beside other couriers: a row belongs to whoever moves it out of 'asked'. Returns how
    many rows were looked at.
    """
    due = Delivery.objects.filter(state=DeliveryState.ASKED, not_before__lte=clock.now())
    asks = list(due.order_by("not_before", "pk")[:limit])
    for ask in asks:
        try:
            _resolve(ask)
        except Exception:
            logger.exception("Ask %d could not be resolved", ask.pk)
            _postpone(ask)
    return len(asks)


def _resolve(ask: Delivery) -> None:
    client = clients.by_name(ask.client)
    if client is None or not client.required:
        _end(ask, Reason.NOT_ENABLED)
        return
    accounts = matching.find(ask.identity)
    waiting = matching.pending(accounts)
    if not waiting:
        _end(ask, matching.REASONS[matching.outcome_without_pending(accounts)])
        return
    first, *others = waiting
    with transaction.atomic(using=router.db_for_write(Delivery)):
        # Looking up is not sending: the courier counts anew.
        if not _move(ask, state=DeliveryState.QUEUED, attempts=0):
            return
        confirmation_id = (
            first.confirmation_id
            or ensure_confirmation(first, client=ask.client, language=ask.language).pk
        )
        mine = Delivery.objects.filter(pk=ask.pk)
        mine.update(confirmation_id=confirmation_id)
        is_cooling_down = cooldown.take(addresses.canonical(first.address), first.cooldown) > 0
        if is_cooling_down:
            mine.update(
                state=DeliveryState.IGNORED,
                reason=matching.REASONS[Outcome.COOLING_DOWN],
                ended_at=clock.now(),
            )
        else:
            queue(ask, others)
    if is_cooling_down:
        _tell(ask, DeliveryState.IGNORED, Reason.COOLING_DOWN)
    else:
        _tell(ask, DeliveryState.QUEUED, Reason.NONE)


def _end(ask: Delivery, reason: Reason) -> None:
    if _move(ask, state=DeliveryState.IGNORED, reason=reason, ended_at=clock.now()):
        _tell(ask, DeliveryState.IGNORED, reason)


def _tell(ask: Delivery, state: DeliveryState, reason: Reason) -> None:
    delivery_changed.send_robust(Delivery, delivery_id=ask.pk, state=state, reason=reason)


def _move(ask: Delivery, **values: object) -> bool:
    """Take the ask out of 'asked'; its identity is not needed any more and is erased."""
    asked = Delivery.objects.filter(pk=ask.pk, state=DeliveryState.ASKED)
    return bool(asked.update(identity="", **values))


def _postpone(ask: Delivery) -> None:
    if ask.attempts + 1 >= ATTEMPTS:
        if _move(ask, state=DeliveryState.FAILED, reason=Reason.CRASHED, ended_at=clock.now()):
            _tell(ask, DeliveryState.FAILED, Reason.CRASHED)
        return
    Delivery.objects.filter(pk=ask.pk, state=DeliveryState.ASKED).update(
        attempts=ask.attempts + 1, not_before=clock.now() + PAUSE
    )
