"""Claiming due deliveries by conditional UPDATE, and marking what became of them."""

import os
import secrets
import socket
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from .. import conf
from ..models import Delivery
from ..outcomes import DeliveryState, Reason
from ..signals import delivery_changed

#: Said of a delivery whose courier never came back; the message may have gone out.
LEASE_EXPIRED = "LeaseExpired"


def new_owner() -> str:
    """A name for one round of one courier, for the lease; unique even within a process."""
    return f"{socket.gethostname()[:30]}:{os.getpid()}:{secrets.token_hex(8)}"[:64]


def claim(owner: str, limit: int) -> list[Delivery]:
    """Up to ``limit`` due deliveries that are now ours, with attempts raised; committed."""
    now = timezone.now()
    _reclaim(now)
    due = Delivery.objects.filter(state=DeliveryState.QUEUED, not_before__lte=now)
    candidates = list(due.order_by("not_before", "pk").values_list("pk", flat=True)[:limit])
    lease = conf.get().SEND_DEADLINE * 2
    mine = [pk for pk in candidates if _take(pk, owner, timezone.now() + lease)]
    return list(
        Delivery.objects.filter(pk__in=mine, lease_owner=owner)
        .select_related("confirmation")
        .order_by("not_before", "pk")
    )


def _take(pk: int, owner: str, until: datetime) -> bool:
    return bool(
        Delivery.objects.filter(pk=pk, state=DeliveryState.QUEUED).update(
            state=DeliveryState.SENDING,
            attempts=F("attempts") + 1,
            lease_owner=owner,
            lease_until=until,
        )
    )


def _reclaim(now: datetime) -> None:
    """Give the rows of couriers that died one repeat, with the same Message-ID; then stop."""
    expired = Delivery.objects.filter(state=DeliveryState.SENDING, lease_until__lt=now)
    expired.filter(error_class=LEASE_EXPIRED).update(
        state=DeliveryState.UNKNOWN, reason=Reason.INTERRUPTED, ended_at=now
    )
    expired.update(
        state=DeliveryState.QUEUED, not_before=now, error_class=LEASE_EXPIRED, error_code=""
    )


def renew(delivery: Delivery, owner: str) -> bool:
    """Start the lease anew right before the network is touched; False when it was lost."""
    until = timezone.now() + conf.get().SEND_DEADLINE * 2
    return bool(_held(delivery, owner).update(lease_until=until))


def mark(delivery: Delivery, owner: str, state: DeliveryState, **values: object) -> bool:
    """Write what became of a claimed delivery; False when the lease was lost meanwhile."""
    now = timezone.now()
    if state not in {DeliveryState.QUEUED, DeliveryState.SENT}:
        values["ended_at"] = now
    if not _held(delivery, owner).update(state=state, lease_owner="", lease_until=None, **values):
        return False
    delivery_changed.send_robust(
        Delivery, delivery_id=delivery.pk, state=state, reason=values.get("reason", Reason.NONE)
    )
    return True


def put_back(delivery: Delivery, owner: str, wait: timedelta, **values: object) -> bool:
    """Make a claimed delivery due again after ``wait``."""
    return mark(delivery, owner, DeliveryState.QUEUED, not_before=timezone.now() + wait, **values)


def _held(delivery: Delivery, owner: str):  # type: ignore[no-untyped-def]
    return Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.SENDING, lease_owner=owner)
