"""Tracking: providers' events from django-anymail's webhooks change the state of deliveries."""

import re
from collections.abc import Mapping
from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason, tracking
from django.dispatch import receiver

from . import columns, database, failures, redaction
from .addresses import Address
from .deliveries import states
from .limits import suppression
from .models import Delivery, Suppression
from .outcomes import DeliveryState, Reason

#: The state of a delivery for each event type of anymail.
EVENT_STATES = {
    EventType.DELIVERED: DeliveryState.DELIVERED,
    EventType.BOUNCED: DeliveryState.BOUNCED,
    EventType.REJECTED: DeliveryState.BOUNCED,
    EventType.FAILED: DeliveryState.BOUNCED,
    EventType.COMPLAINED: DeliveryState.COMPLAINED,
}

EVENT_REASONS = {
    EventType.DELIVERED: Reason.NONE,
    EventType.BOUNCED: Reason.BOUNCED,
    EventType.REJECTED: Reason.REFUSED,
    EventType.FAILED: Reason.REFUSED,
    EventType.COMPLAINED: Reason.COMPLAINED,
}

#: Permanent reasons, tied to the address; all others may be temporary.
_FOR_GOOD = {RejectReason.BOUNCED, RejectReason.INVALID}

#: Bounce types by provider: the path to the bounce type in the provider's event, and for each
#: type True if it is permanent. Anymail has only one type for hard and soft bounces.
LASTING: dict[tuple[str, ...], dict[Any, bool]] = {
    # https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
    ("bounce", "bounceType"): {"Permanent": True, "Transient": False, "Undetermined": False},
    # https://resend.com/docs/dashboard/emails/email-bounces
    ("data", "bounce", "type"): {"Permanent": True, "Transient": False, "Undetermined": False},
    # https://postmarkapp.com/developer/api/bounce-api
    ("Type",): {"HardBounce": True, "BadEmailAddress": True, "SoftBounce": False},
    ("SuppressionReason",): {"HardBounce": True},
    # https://developers.brevo.com/docs/transactional-webhooks
    # https://mailchimp.com/developer/transactional/docs/webhooks/
    ("event",): {"hard_bounce": True, "invalid_email": True, "soft_bounce": False},
    # https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
    # https://developers.mailersend.com/api/v1/webhooks.html
    ("type",): {
        "bounce": True,
        "blocked": False,
        "activity.hard_bounced": True,
        "activity.soft_bounced": False,
    },
    # https://dev.mailjet.com/email/guides/webhooks/
    ("hard_bounce",): {True: True, False: False},
    # https://support.sparkpost.com/docs/deliverability/bounce-classification-codes
    ("msys", "message_event", "bounce_class"): dict.fromkeys(("10", "30"), True)
    | dict.fromkeys(("20", "21", "22", "23", "40", "70"), False),
    # https://godocs.unisender.ru/web-api-ref
    ("delivery_info", "delivery_status"): {"err_mailbox_full": False, "err_too_large": False},
}

#: RFC 3463: a status has a class, a subject and a detail. A missing mailbox (5.1.0 to 5.1.3, 5.1.6,
#: 5.1.10) or a disabled one (5.2.1) is permanent. A full mailbox (5.2.2) or a policy (5.7) is not.
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_GONE = {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"}


@receiver(tracking, dispatch_uid="resend_confirmation")
@failures.discreet
def track(sender: Any, event: AnymailTrackingEvent, esp_name: str, **_: Any) -> None:
    """Process one event; anymail has checked the webhook's secret.

    This is idempotent. Events that do not belong to one of our messages are ignored.
    """
    state = EVENT_STATES.get(event.event_type)
    if state is None:
        return
    delivery, reason = _delivery(event), EVENT_REASONS[event.event_type]
    if delivery is None:
        return
    with database.atomic():
        facts = columns.fit(Delivery, {"error_code": str(event.reject_reason or "")})
        facts["error_text"] = _reply(event, delivery) if reason else ""
        if states.move(delivery.pk, state, reason=reason, **facts):
            states.copy_to_confirmation(delivery.confirmation_id, state)
            _suppress(delivery, event, state)


def _reply(event: AnymailTrackingEvent, delivery: Delivery) -> str:
    """Return the reply of the recipient's mail server, or the provider's words."""
    address = delivery.confirmation.address if delivery.confirmation else ""
    words = event.mta_response or event.description or ""
    return redaction.without_addresses(str(words), address)


def _delivery(event: AnymailTrackingEvent) -> Delivery | None:
    """Return the delivery of an event: found by our metadata, else by the provider's id."""
    deliveries = Delivery.objects.select_related("confirmation")
    number = str((event.metadata or {}).get("delivery", ""))
    if number.isascii() and number.isdigit() and len(number) < 19:  # noqa: PLR2004 - 63 bits
        found = deliveries.filter(pk=int(number)).first()
        if found and _is_about(found, event):
            return found
    if not event.message_id:
        return None
    return deliveries.filter(**_stored_id(event)).order_by("-pk").first()


def _stored_id(event: AnymailTrackingEvent) -> dict[str, str]:
    """Return the provider's id of a message in the form that the courier stored."""
    return columns.fit(Delivery, {"provider_id": str(event.message_id)})


def _is_about(delivery: Delivery, event: AnymailTrackingEvent) -> bool:
    """Return whether the event is about this delivery.

    The number alone is not enough, since other sites may share the provider's account.
    """
    if delivery.provider_id and event.message_id:
        if delivery.provider_id == _stored_id(event)["provider_id"]:
            return True
        if not delivery.doubts:
            return False
    # The provider's id of an unanswered attempt is unknown, so the recipient decides.
    address = delivery.confirmation.parsed if delivery.confirmation else None
    return address is not None and address == Address.parse(event.recipient or "", address)


def _suppress(delivery: Delivery, event: AnymailTrackingEvent, state: DeliveryState) -> None:
    """Suppress later messages to an address after a permanent bounce or a spam report."""
    why = states.SUPPRESSIONS.get(state)
    if why is None or (why is Suppression.Why.BOUNCED and not is_lasting(event)):
        return
    address = delivery.confirmation.parsed if delivery.confirmation else None
    if address is not None:
        suppression.suppress(address, why)


def is_lasting(event: AnymailTrackingEvent) -> bool:
    """Return whether a bounce is permanent and tied to the address: a hard bounce.

    The provider's bounce type decides. Without it, the status of the recipient's mail server
    does, and then anymail's reason.
    """
    for path, words in LASTING.items():
        if (lasting := words.get(_at(event.esp_event, path))) is not None:
            return lasting
    if status := _STATUS.search(str(event.mta_response or "")):
        return status[1] in _GONE
    return event.reject_reason in _FOR_GOOD


def _at(value: Any, path: tuple[str, ...]) -> Any:
    """Return the string or boolean at ``path`` in a provider's event, or None."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str | bool) else None
