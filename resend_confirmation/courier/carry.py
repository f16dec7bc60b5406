"""Carrying due deliveries to the mail server, one connection a batch."""

import logging
import random
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from .. import accounts, addresses
from ..accounts import Account
from ..models import Confirmation, Delivery, Suppression
from ..outcomes import ConfirmationState, DeliveryState, Reason, Standing
from . import claims, links, message
from .post import Kind, Post, Receipt

logger = logging.getLogger("resend_confirmation")

#: How long to wait before attempt 2, 3, …; after the last the delivery has failed.
SCHEDULE = [
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=2),
]


def carry(limit: int = 100) -> tuple[int, int]:
    """Claim up to ``limit`` due deliveries and send them; how many were accepted, and not."""
    owner = claims.new_owner()
    sent = unsent = 0
    with Post() as post:
        for delivery in claims.claim(owner, limit):
            try:
                accepted = _carry(delivery, owner, post)
            except Exception:
                logger.exception("Delivery %d could not be carried", delivery.pk)
                _again(delivery, owner, Receipt(Kind.NOT_ACCEPTED, error_class="Crashed"))
                accepted = False
            sent, unsent = sent + accepted, unsent + (not accepted)
    return sent, unsent


def _carry(delivery: Delivery, owner: str, post: Post) -> bool:
    confirmation = delivery.confirmation
    if confirmation is None:
        claims.mark(delivery, owner, DeliveryState.ABANDONED, reason=Reason.UNKNOWN)
        return False
    account = accounts.store().get(confirmation.account_id, confirmation.address)
    if stop := _objection(confirmation, account):
        state = DeliveryState.SUPPRESSED if stop is Reason.SUPPRESSED else DeliveryState.ABANDONED
        claims.mark(delivery, owner, state, reason=stop)
        return False
    assert account is not None
    token = links.assign(delivery, confirmation)
    if token is None:
        claims.mark(delivery, owner, DeliveryState.ABANDONED, reason=Reason.ADDRESS_CHANGED)
        return False
    letter = message.write(delivery, confirmation, account, token)
    if not claims.renew(delivery, owner):
        return False
    return _settle(delivery, owner, post.send(letter))


def _objection(confirmation: Confirmation, account: Account | None) -> Reason | None:
    """Why nothing may be sent any more, looked at right before sending."""
    if account is None:
        return Reason.ADDRESS_CHANGED
    if confirmation.state == ConfirmationState.CONFIRMED or account.standing is Standing.CONFIRMED:
        return Reason.CONFIRMED
    if confirmation.state == ConfirmationState.WITHDRAWN or account.standing is Standing.BLOCKED:
        return Reason.BLOCKED
    digests = addresses.keyed_digests(addresses.canonical(account.address), "suppression")
    suppressed = Suppression.objects.filter(digest__in=digests).exists()
    return Reason.SUPPRESSED if suppressed else None


def _settle(delivery: Delivery, owner: str, receipt: Receipt) -> bool:
    errors = {"error_class": receipt.error_class, "error_code": receipt.error_code}
    match receipt.kind:
        case Kind.ACCEPTED:
            now = timezone.now()
            marked = claims.mark(
                delivery,
                owner,
                DeliveryState.SENT,
                sent_at=now,
                provider_id=receipt.provider_id,
                reason=Reason.NONE,
                **errors,
            )
            if marked:
                _tell(delivery, DeliveryState.SENT, sends=F("sends") + 1, last_sent_at=now)
            return True
        case Kind.NOT_ACCEPTED:
            _again(delivery, owner, receipt)
        case Kind.REFUSED:
            claims.mark(delivery, owner, DeliveryState.FAILED, reason=Reason.REFUSED, **errors)
            _tell(delivery, DeliveryState.FAILED)
        case Kind.UNSUPPORTED:
            claims.mark(delivery, owner, DeliveryState.FAILED, reason=Reason.UNSUPPORTED, **errors)
            _tell(delivery, DeliveryState.FAILED)
    return False


def _again(delivery: Delivery, owner: str, receipt: Receipt) -> None:
    """Try later, but never past half of what the link has left: one must be worth receiving."""
    errors = {"error_class": receipt.error_class, "error_code": receipt.error_code}
    tries = delivery.attempts
    wait = SCHEDULE[tries - 1] * random.uniform(1.0, 1.2) if tries <= len(SCHEDULE) else None  # noqa: S311 - jitter
    if wait is None or _is_too_late(delivery, timezone.now() + wait):
        reason = Reason.NOT_ACCEPTED if wait is None else Reason.TOO_LATE
        claims.mark(delivery, owner, DeliveryState.FAILED, reason=reason, **errors)
        _tell(delivery, DeliveryState.FAILED)
        return
    claims.put_back(delivery, owner, wait, reason=Reason.NOT_ACCEPTED, **errors)


def _is_too_late(delivery: Delivery, when: datetime) -> bool:
    if delivery.link_expires_at is None:
        return False
    return when > delivery.asked_at + (delivery.link_expires_at - delivery.asked_at) / 2


def _tell(delivery: Delivery, state: DeliveryState, **values: object) -> None:
    """Keep on the confirmation what its newest delivery came to."""
    Confirmation.objects.filter(deliveries=delivery).update(last_delivery_state=state, **values)
