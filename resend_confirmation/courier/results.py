"""Results of attempts, and what each of them does with the delivery."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import F

from .. import conf, database
from ..deliveries import claims, retries
from ..deliveries.claims import Claim
from ..email_backend import Failure, SendResult
from ..limits import budget
from ..outcomes import Reason
from . import links, pause
from .tally import Tally

logger = logging.getLogger("resend_confirmation")

#: Number of ambiguous attempts that are retried; the next one is final.
MAX_AMBIGUOUS = 1

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


def settle(claim: Claim, result: SendResult) -> Tally:
    """Record ``result``, and return its count."""
    SETTLE[result.failure](claim, result)
    if result.failure is None:
        return Tally(sent=1)
    paused = result.failure is Failure.CONFIGURATION or result == OVER_BUDGET
    # A delivery that waits for the next hour was not tried.
    return Tally(unsent=int(result not in (OVER_BUDGET, OVER_SHARE)), paused=paused)


def _accepted(claim: Claim, result: SendResult) -> None:
    now = database.now()
    facts = {"sent_at": now, "provider_id": result.provider_id}
    summary = {"sends": F("sends") + 1, "last_sent_at": now}
    if not claims.end(claim, Reason.NONE, summary=summary, **_errors(SendResult()), **facts):
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
    return {
        "error_class": result.error_class,
        "error_code": result.error_code,
        "error_text": result.error_text,
    }
