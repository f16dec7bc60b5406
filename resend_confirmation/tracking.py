"""Tracking: what providers report through django-anymail's webhooks moves a delivery's state."""

import logging
from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason, tracking
from django.db import router, transaction
from django.dispatch import receiver
from django.utils import timezone

from . import addresses
from .models import Confirmation, Delivery, Suppression
from .outcomes import DeliveryState, Reason
from .signals import delivery_changed

logger = logging.getLogger("resend_confirmation")

#: The provider's word, as anymail normalises it, and ours.
STATES = {
    EventType.DELIVERED: DeliveryState.DELIVERED,
    EventType.BOUNCED: DeliveryState.BOUNCED,
    EventType.REJECTED: DeliveryState.BOUNCED,
    EventType.FAILED: DeliveryState.BOUNCED,
    EventType.COMPLAINED: DeliveryState.COMPLAINED,
}

#: From where each may be reached: events come in any order, and a worse one stays.
_ON_THE_WAY = frozenset({DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN})
BEFORE = {
    DeliveryState.DELIVERED: _ON_THE_WAY,
    DeliveryState.BOUNCED: _ON_THE_WAY | {DeliveryState.DELIVERED},
    DeliveryState.COMPLAINED: _ON_THE_WAY | {DeliveryState.DELIVERED, DeliveryState.BOUNCED},
}

REASONS = {
    DeliveryState.DELIVERED: Reason.NONE,
    DeliveryState.BOUNCED: Reason.BOUNCED,
    DeliveryState.COMPLAINED: Reason.COMPLAINED,
}

#: Rejections that will not pass: the address, not the provider's mood, is the reason.
_FOR_GOOD = {RejectReason.BOUNCED, RejectReason.INVALID}


@receiver(tracking, dispatch_uid="resend_confirmation")
def track(sender: Any, event: AnymailTrackingEvent, esp_name: str, **_: Any) -> None:
    """Take in one event; anymail has checked the webhook's secret.

    Idempotent. Events that are not about one of our messages are ignored.
    """
    state = STATES.get(event.event_type)
    if state is None:
        return
    delivery = _delivery(event)
    if delivery is None:
        return
    with transaction.atomic(using=router.db_for_write(Delivery)):
        moved = Delivery.objects.filter(pk=delivery.pk, state__in=BEFORE[state]).update(
            state=state,
            reason=REASONS[state],
            ended_at=timezone.now(),
            lease_owner="",
            lease_until=None,
            error_code=str(event.reject_reason or "")[:32],
        )
        if moved:
            Confirmation.objects.filter(pk=delivery.confirmation_id or 0).update(
                last_delivery_state=state
            )
            _suppress(delivery, event, state)
    if moved:
        delivery_changed.send_robust(
            Delivery, delivery_id=delivery.pk, state=state, reason=REASONS[state]
        )


def _delivery(event: AnymailTrackingEvent) -> Delivery | None:
    """The delivery that an event is about: by our own metadata, else by the provider's id."""
    deliveries = Delivery.objects.select_related("confirmation")
    number = str((event.metadata or {}).get("delivery", ""))
    if number.isascii() and number.isdigit() and len(number) < 19:  # noqa: PLR2004 - 63 bits
        found = deliveries.filter(pk=int(number)).first()
        if found and _is_about(found, event):
            return found
    if not event.message_id:
        return None
    return deliveries.filter(provider_id=str(event.message_id)[:255]).order_by("-pk").first()


def _is_about(delivery: Delivery, event: AnymailTrackingEvent) -> bool:
    """Whether number and message agree: other sites may share the provider's account."""
    if delivery.provider_id and event.message_id:
        return delivery.provider_id == str(event.message_id)
    confirmation = delivery.confirmation
    return bool(confirmation and addresses.same(confirmation.address, event.recipient or ""))


def _suppress(delivery: Delivery, event: AnymailTrackingEvent, state: DeliveryState) -> None:
    """Stop later messages to an address that bounced for good, or whose owner complained."""
    if state is DeliveryState.COMPLAINED:
        why = Suppression.Why.COMPLAINED
    elif state is DeliveryState.BOUNCED and event.reject_reason in _FOR_GOOD:
        why = Suppression.Why.BOUNCED
    else:
        return
    if delivery.confirmation is None:
        return
    canonical = addresses.canonical(delivery.confirmation.address)
    digest = addresses.keyed_digests(canonical, "suppression")[0]
    Suppression.objects.get_or_create(digest=digest, defaults={"why": why, "since": timezone.now()})
