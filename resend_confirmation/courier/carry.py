"""Processing of due deliveries, with one mail connection per batch."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.views.decorators.debug import sensitive_variables

from .. import accounts, conf, database, failures
from ..accounts import Account
from ..addresses import Address
from ..deliveries import claims, retries, superseding
from ..deliveries.claims import Claim
from ..interruptions import Held
from ..limits import budget, suppression
from ..models import Confirmation
from ..outcomes import ConfirmationState, DeliveryState, Reason, Standing
from . import links, message, pause
from .post import Post
from .receipts import Kind, Receipt

logger = logging.getLogger("resend_confirmation")

#: Seconds for which a delivery is retried after a lost database connection.
PATIENCE = 5.0

#: Number of ambiguous attempts that are retried; the next one is final.
MAX_DOUBTS = 1


@dataclass(slots=True)
class Round:
    """Counts of one round: messages accepted, not accepted and no longer needed.

    ``paused`` is True if the queue is paused.
    """

    sent: int = 0
    unsent: int = 0
    needless: int = 0
    paused: bool = False

    @property
    def total(self) -> int:
        """The number of deliveries processed."""
        return self.sent + self.unsent + self.needless


@failures.discreet
def carry(limit: int = 100, is_stopping: Callable[[], bool] = lambda: False) -> Round:
    """Claim and send up to ``limit`` due deliveries, one after the other.

    End early if nothing is due, if ``is_stopping`` returns True, or if the queue is paused. The
    queue is paused if the e-mail settings do not work or the hourly budget is used up. If only a
    share of the budget is used up, the deliveries limited to that share wait for the next hour, and
    others are sent. Signals, and exceptions raised by their handlers, are held back until the
    current message is finished and marked.
    """
    done = Round()
    claims.reclaim()
    if pause.paused_by() is not None:
        done.paused = True
        return done
    owner = claims.new_owner()
    with Held() as held, Post() as post:
        while done.total < limit and not done.paused:
            if held.is_to_end() or is_stopping():
                break
            claim = claims.claim(owner)
            if claim is None:
                break
            _work_off(claim, post, done)
    return done


@sensitive_variables()
def _work_off(claim: Claim, post: Post, done: Round) -> None:
    try:
        # This is safe to repeat: after the hand-over of the message no database error is raised.
        receipt = database.retry_on_disconnect(
            lambda: _carry(claim, post), time.monotonic() + PATIENCE
        )
    except Exception as error:
        failures.report("Delivery %d could not be processed", claim.delivery.pk)
        receipt = AWAY if failures.is_outage(error) else CRASHED
    if receipt is None:
        done.needless += 1
        return
    if receipt == OUT_OF_TURN:
        return
    SETTLE[receipt.kind](claim, receipt)
    done.sent += receipt.kind is Kind.ACCEPTED
    # A delivery that waits for the next hour was not tried.
    waits = receipt in (OVER_BUDGET, OVER_SHARE)
    done.unsent += receipt.kind is not Kind.ACCEPTED and not waits
    done.paused = receipt.kind is Kind.CONFIGURATION or receipt == OVER_BUDGET


#: Sentinel: the hourly budget is used up; nothing was sent.
OVER_BUDGET = Receipt(Kind.NOT_ACCEPTED, error_class="HourlyBudget")
#: Sentinel: too little of the link's lifetime is left.
TOO_LATE = Receipt(Kind.NOT_ACCEPTED, error_class="TooLate")
#: Sentinel: the delivery waits for the next hour; others may be sent.
OVER_SHARE = Receipt(Kind.NOT_ACCEPTED, error_class="HourlyBudget", error_code="share")
#: Sentinel: the delivery was put back to wait for the gate of its address.
OUT_OF_TURN = Receipt(Kind.NOT_ACCEPTED, error_class="Turn")
#: Sentinel: a server of the site is unavailable, such as the account store's.
AWAY = Receipt(Kind.NOT_ACCEPTED, error_class="Away")
#: Sentinel: an error outside the mail server, such as a template's.
CRASHED = Receipt(Kind.NOT_ACCEPTED, error_class="Crashed")


def _carry(claim: Claim, post: Post) -> Receipt | None:
    """Send one message. Return None if it was skipped.

    The row records the reason, unless the lease was lost.
    """
    delivery, confirmation = claim.delivery, claim.delivery.confirmation
    if _is_superseded(claim):
        return None
    account = _account(confirmation)
    stop = _objection(confirmation, account)
    if stop or confirmation is None or account is None:
        state = DeliveryState.SUPPRESSED if stop is Reason.SUPPRESSED else DeliveryState.ABANDONED
        claims.mark(claim, state, reason=stop or Reason.UNKNOWN)
        return None
    # The connection is opened first, since the link's lifetime begins when it is assigned.
    if failure := post.open():
        return failure
    if hindrance := _hindrance(claim, confirmation, account.mailbox):
        return hindrance
    token = links.assign(delivery, confirmation, account.mailbox)
    if token is None:
        claims.mark(claim, DeliveryState.ABANDONED, reason=Reason.ADDRESS_CHANGED)
        return None
    letter = message.write(delivery, confirmation, account, token)
    if not claims.hand_over(claim):
        return None
    return post.send(letter, delivery.pk, heartbeat=lambda: claims.heartbeat(claim))


def _is_superseded(claim: Claim) -> bool:
    """Return whether a newer delivery supersedes ``claim``, which is then ended.

    Otherwise end the older deliveries of its confirmation that still wait.
    """
    delivery = claim.delivery
    if claim.is_superseded:
        claims.mark(claim, superseding.end_of(delivery), reason=Reason.SUPERSEDED)
        return True
    if claim.supersedes and delivery.confirmation_id:
        superseding.end_older(delivery.confirmation_id, delivery.pk)
    return False


def _hindrance(claim: Claim, confirmation: Confirmation, address: Address) -> Receipt | None:
    """Return why the message cannot be sent now, or not at all; None if it can."""
    delivery = claim.delivery
    if wait := claims.pass_gate(claim, address):
        # A delivery waits for its turn for at most the lifetime of a link.
        if database.now() + wait > delivery.asked_at + conf.get().LINK_LIFETIME:
            return TOO_LATE
        claims.put_back(claim, wait, reason=Reason.TURN, attempts=F("attempts") - 1)
        return OUT_OF_TURN
    if hour := budget.take(delivery.origin, confirmation.sends):
        return OVER_BUDGET if hour.is_used_up else OVER_SHARE
    if links.is_late(delivery, database.now()):
        if delivery.doubts:
            # A new link would differ from the one that may have been sent.
            return TOO_LATE
        links.forget(delivery)
    return None


def _account(confirmation: Confirmation | None) -> Account | None:
    if confirmation is None:
        return None
    return accounts.of(confirmation.account_id, confirmation.parsed)


def _objection(confirmation: Confirmation | None, account: Account | None) -> Reason | None:
    """Return why nothing may be sent any more, or None. Called right before sending."""
    if confirmation is None or account is None:
        return Reason.ADDRESS_CHANGED
    if confirmation.state == ConfirmationState.CONFIRMED or account.standing is Standing.CONFIRMED:
        return Reason.CONFIRMED
    if confirmation.state == ConfirmationState.WITHDRAWN or account.standing is Standing.BLOCKED:
        return Reason.BLOCKED
    return Reason.SUPPRESSED if suppression.is_suppressed(account.mailbox) else None


def _accepted(claim: Claim, receipt: Receipt) -> None:
    now = database.now()
    facts = {"sent_at": now, "provider_id": receipt.provider_id}
    told = {"sends": F("sends") + 1, "last_sent_at": now}
    values = {"reason": Reason.NONE, "error_class": "", "error_code": "", **facts}
    if not claims.mark(claim, DeliveryState.SENT, told=told, **values):
        # The provider's webhook was faster and has set the state. Only the facts are added.
        claims.note(claim, facts, told)


def _not_accepted(claim: Claim, receipt: Receipt) -> None:
    """Retry later, while attempts and half of the link's lifetime are left."""
    if receipt == OVER_BUDGET:
        _untouched(claim, receipt, wait=timedelta(minutes=1), reason=Reason.NONE)
        return
    if receipt == TOO_LATE:
        _failed(claim, receipt, Reason.TOO_LATE)
        return
    if receipt == AWAY:
        _wait_for_the_site(claim, receipt)
        return
    if receipt == OVER_SHARE:
        hour = budget.current()
        until = hour.until if hour else None
        wait = max(timedelta(0), until - database.now()) if until else timedelta(minutes=1)
        _untouched(claim, receipt, wait=wait, reason=Reason.NONE)
        return
    tries = claim.delivery.attempts
    reason = Reason.CRASHED if receipt == CRASHED else Reason.NOT_ACCEPTED
    least = retries.wait_after(tries)
    if least is None:
        _failed(claim, receipt, reason)
        return
    wait = retries.with_jitter(least)
    if links.is_late(claim.delivery, database.now() + wait):
        _failed(claim, receipt, Reason.TOO_LATE)
        return
    claims.put_back(claim, wait, reason=reason, **_errors(receipt))


def _wait_for_the_site(claim: Claim, receipt: Receipt) -> None:
    now, asked_at = database.now(), claim.delivery.asked_at
    wait = retries.wait_for_outage(now - asked_at)
    if now + wait > asked_at + conf.get().LINK_LIFETIME:
        _failed(claim, receipt, Reason.TOO_LATE)
        return
    _untouched(claim, receipt, wait=wait, reason=Reason.CRASHED)


def _refused(claim: Claim, receipt: Receipt) -> None:
    _failed(claim, receipt, Reason.REFUSED)


def _unsupported(claim: Claim, receipt: Receipt) -> None:
    _failed(claim, receipt, Reason.UNSUPPORTED)


def _ambiguous(claim: Claim, receipt: Receipt) -> None:
    """Retry once with an identical message; if that is ambiguous too, mark it UNKNOWN."""
    errors = _errors(receipt)
    if claim.delivery.doubts >= MAX_DOUBTS:
        claims.mark(claim, DeliveryState.UNKNOWN, reason=Reason.DOUBTFUL, **errors)
        return
    wait = retries.with_jitter(retries.SCHEDULE[0])
    claims.put_back(claim, wait, reason=Reason.DOUBTFUL, doubts=F("doubts") + 1, **errors)


def _misconfigured(claim: Claim, receipt: Receipt) -> None:
    error = f"{receipt.error_class} {receipt.error_code}".strip()
    logger.error("The e-mail settings do not work (%s); sending is paused", error)
    _untouched(claim, receipt, wait=pause.LENGTH, reason=Reason.CONFIGURATION)


def _untouched(claim: Claim, receipt: Receipt, *, wait: timedelta, reason: Reason) -> None:
    """Requeue a delivery without using up an attempt."""
    claims.put_back(claim, wait, reason=reason, attempts=F("attempts") - 1, **_errors(receipt))


SETTLE: dict[Kind, Callable[[Claim, Receipt], None]] = {
    Kind.ACCEPTED: _accepted,
    Kind.NOT_ACCEPTED: _not_accepted,
    Kind.REFUSED: _refused,
    Kind.UNSUPPORTED: _unsupported,
    Kind.AMBIGUOUS: _ambiguous,
    Kind.CONFIGURATION: _misconfigured,
}


def _failed(claim: Claim, receipt: Receipt, reason: Reason) -> None:
    """End a delivery that was not accepted.

    After an ambiguous attempt the state is UNKNOWN, unless ``reason`` is TOO_LATE.
    """
    state = DeliveryState.FAILED
    if claim.delivery.doubts and reason is not Reason.TOO_LATE:
        state, reason = DeliveryState.UNKNOWN, Reason.DOUBTFUL
    claims.mark(claim, state, reason=reason, **_errors(receipt))


def _errors(receipt: Receipt) -> dict[str, Any]:
    return {"error_class": receipt.error_class, "error_code": receipt.error_code}
