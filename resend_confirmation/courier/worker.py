"""Processing of due deliveries, with one mail connection per batch."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.views.decorators.debug import sensitive_variables

from .. import accounts, conf, database, failures
from ..accounts import Account
from ..addresses import Address
from ..deliveries import claims, retries, superseding
from ..deliveries.claims import Claim
from ..email_backend import Connection, Failure, SendResult
from ..interruptions import Held
from ..limits import budget, suppression
from ..models import Confirmation
from ..outcomes import ConfirmationState, Reason, Standing
from . import links, message, pause
from .tally import Tally

logger = logging.getLogger("resend_confirmation")

#: Number of ambiguous attempts that are retried; the next one is final.
MAX_AMBIGUOUS = 1


@failures.discreet
def send_due(limit: int = 100, is_stopping: Callable[[], bool] = lambda: False) -> Tally:
    """Claim and send up to ``limit`` due deliveries, one after the other.

    End early if nothing is due, if ``is_stopping`` returns True, or if the queue is paused. The
    queue is paused if the e-mail settings do not work or the hourly budget is used up. If only a
    share of the budget is used up, the deliveries limited to that share wait for the next hour, and
    others are sent. Signals, and exceptions raised by their handlers, are held back until the
    current message is finished and marked.
    """
    done = Tally()
    claims.reclaim()
    if pause.paused_by() is not None:
        return Tally(paused=True)
    owner = claims.new_owner()
    with Held() as held, Connection() as connection:
        while done.processed < limit and not done.paused:
            if held.must_end() or is_stopping():
                break
            claim = claims.claim(owner)
            if claim is None:
                break
            done += _process(claim, connection)
    return done


@sensitive_variables()
def _process(claim: Claim, connection: Connection) -> Tally:
    try:
        # This is safe to repeat: after the hand-over of the message no database error is raised.
        result = database.retry_on_disconnect(
            lambda: _send(claim, connection), time.monotonic() + database.RECONNECT_SECONDS
        )
    except Exception as error:
        failures.report("Delivery %d could not be processed", claim.delivery.pk)
        result = AWAY if failures.is_outage(error) else CRASHED
    if result is None:
        return Tally(skipped=1)
    if result == OUT_OF_TURN:
        return Tally()
    SETTLE[result.failure](claim, result)
    if result.failure is None:
        return Tally(sent=1)
    paused = result.failure is Failure.CONFIGURATION or result == OVER_BUDGET
    # A delivery that waits for the next hour was not tried.
    return Tally(unsent=int(result not in (OVER_BUDGET, OVER_SHARE)), paused=paused)


#: Sentinel: the hourly budget is used up; nothing was sent.
OVER_BUDGET = SendResult(Failure.NOT_ACCEPTED, error_class="HourlyBudget")
#: Sentinel: too little of the link's lifetime is left.
TOO_LATE = SendResult(Failure.NOT_ACCEPTED, error_class="TooLate")
#: Sentinel: the delivery waits for the next hour; others may be sent.
OVER_SHARE = SendResult(Failure.NOT_ACCEPTED, error_class="HourlyBudget", error_code="share")
#: Sentinel: the delivery was put back to wait for the gate of its address.
OUT_OF_TURN = SendResult(Failure.NOT_ACCEPTED, error_class="Turn")
#: Sentinel: a server of the site is unavailable, such as the account store's.
AWAY = SendResult(Failure.NOT_ACCEPTED, error_class="Away")
#: Sentinel: an error outside the mail server, such as a template's.
CRASHED = SendResult(Failure.NOT_ACCEPTED, error_class="Crashed")


def _send(claim: Claim, connection: Connection) -> SendResult | None:
    """Send one message. Return None if it was skipped.

    The row records the reason, unless the lease was lost.
    """
    delivery, confirmation = claim.delivery, claim.delivery.confirmation
    if _is_superseded(claim):
        return None
    account = accounts.of(confirmation.account_id, confirmation.parsed) if confirmation else None
    stop = _skip_reason(confirmation, account)
    if stop or confirmation is None or account is None:
        claims.end(claim, stop or Reason.ADDRESS_CHANGED)
        return None
    # The connection is opened first, since the link's lifetime begins when it is assigned.
    if failure := connection.open():
        return failure
    if obstacle := _pass_limits(claim, confirmation, account.mailbox):
        return obstacle
    token = links.assign(delivery, confirmation, account.mailbox)
    if token is None:
        claims.end(claim, Reason.ADDRESS_CHANGED)
        return None
    mail = message.write(delivery, confirmation, account, token)
    if not claims.hand_over(claim):
        return None
    return connection.send(mail, delivery.pk, heartbeat=lambda: claims.heartbeat(claim))


def _is_superseded(claim: Claim) -> bool:
    """Return whether a newer delivery supersedes ``claim``, which is then ended.

    Otherwise end the older deliveries of its confirmation that still wait.
    """
    delivery = claim.delivery
    if claim.is_superseded:
        claims.end(claim, Reason.SUPERSEDED)
        return True
    if claim.supersedes and delivery.confirmation_id:
        superseding.end_older(delivery.confirmation_id, delivery.pk)
    return False


def _pass_limits(claim: Claim, confirmation: Confirmation, address: Address) -> SendResult | None:
    """Pass the gate and the budget. Return why the message cannot be sent, or None if it can."""
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


def _skip_reason(confirmation: Confirmation | None, account: Account | None) -> Reason | None:
    """Return why nothing may be sent any more, or None. Called right before sending."""
    if confirmation is None or account is None:
        return Reason.ADDRESS_CHANGED
    if confirmation.state == ConfirmationState.CONFIRMED or account.standing is Standing.CONFIRMED:
        return Reason.CONFIRMED
    if confirmation.state == ConfirmationState.WITHDRAWN or account.standing is Standing.BLOCKED:
        return Reason.BLOCKED
    return Reason.SUPPRESSED if suppression.is_suppressed(account.mailbox) else None


def _accepted(claim: Claim, result: SendResult) -> None:
    now = database.now()
    facts = {"sent_at": now, "provider_id": result.provider_id}
    summary = {"sends": F("sends") + 1, "last_sent_at": now}
    if not claims.end(claim, Reason.NONE, summary=summary, error_class="", error_code="", **facts):
        # The provider's webhook was faster and has set the state. Only the facts are added.
        claims.note(claim, facts, summary)


def _not_accepted(claim: Claim, result: SendResult) -> None:
    """Retry later, while attempts and half of the link's lifetime are left."""
    if result == OVER_BUDGET:
        _requeue(claim, result, wait=timedelta(minutes=1), reason=Reason.NONE)
        return
    if result == TOO_LATE:
        _failed(claim, result, Reason.TOO_LATE)
        return
    if result == AWAY:
        _wait_for_the_site(claim, result)
        return
    if result == OVER_SHARE:
        hour = budget.current()
        until = hour.until if hour else None
        wait = max(timedelta(0), until - database.now()) if until else timedelta(minutes=1)
        _requeue(claim, result, wait=wait, reason=Reason.NONE)
        return
    tries = claim.delivery.attempts
    reason = Reason.CRASHED if result == CRASHED else Reason.NOT_ACCEPTED
    least = retries.wait_after(tries)
    if least is None:
        _failed(claim, result, reason)
        return
    wait = retries.with_jitter(least)
    if links.is_late(claim.delivery, database.now() + wait):
        _failed(claim, result, Reason.TOO_LATE)
        return
    claims.put_back(claim, wait, reason=reason, **_errors(result))


def _wait_for_the_site(claim: Claim, result: SendResult) -> None:
    now, asked_at = database.now(), claim.delivery.asked_at
    wait = retries.wait_for_outage(now - asked_at)
    if now + wait > asked_at + conf.get().LINK_LIFETIME:
        _failed(claim, result, Reason.TOO_LATE)
        return
    _requeue(claim, result, wait=wait, reason=Reason.CRASHED)


def _refused(claim: Claim, result: SendResult) -> None:
    _failed(claim, result, Reason.REFUSED)


def _unsupported(claim: Claim, result: SendResult) -> None:
    _failed(claim, result, Reason.UNSUPPORTED)


def _ambiguous(claim: Claim, result: SendResult) -> None:
    """Retry once with an identical message; if that is ambiguous too, mark it UNKNOWN."""
    errors = _errors(result)
    if claim.delivery.doubts >= MAX_AMBIGUOUS:
        claims.end(claim, Reason.DOUBTFUL, **errors)
        return
    wait = retries.with_jitter(retries.SCHEDULE[0])
    claims.put_back(claim, wait, reason=Reason.DOUBTFUL, doubts=F("doubts") + 1, **errors)


def _misconfigured(claim: Claim, result: SendResult) -> None:
    error = f"{result.error_class} {result.error_code}".strip()
    logger.error("The e-mail settings do not work (%s); sending is paused", error)
    _requeue(claim, result, wait=pause.LENGTH, reason=Reason.CONFIGURATION)


def _requeue(claim: Claim, result: SendResult, *, wait: timedelta, reason: Reason) -> None:
    """Requeue a delivery without using up an attempt."""
    claims.put_back(claim, wait, reason=reason, attempts=F("attempts") - 1, **_errors(result))


SETTLE: dict[Failure | None, Callable[[Claim, SendResult], None]] = {
    None: _accepted,
    Failure.NOT_ACCEPTED: _not_accepted,
    Failure.REFUSED: _refused,
    Failure.UNSUPPORTED: _unsupported,
    Failure.AMBIGUOUS: _ambiguous,
    Failure.CONFIGURATION: _misconfigured,
}


def _failed(claim: Claim, result: SendResult, reason: Reason) -> None:
    claims.end(claim, reason, **_errors(result))


def _errors(result: SendResult) -> dict[str, Any]:
    return {"error_class": result.error_class, "error_code": result.error_code}
