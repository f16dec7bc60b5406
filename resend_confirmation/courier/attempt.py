"""One attempt at a claimed delivery, with every check and every statement of its own."""

import time

from django.db.models import F
from django.views.decorators.debug import sensitive_variables

from .. import accounts, conf, database, failures
from ..accounts import Account
from ..addresses import Address
from ..deliveries import claims, superseding
from ..deliveries.claims import Claim
from ..email_backend import Connection, SendResult
from ..limits import budget, suppression
from ..models import Confirmation
from ..outcomes import ConfirmationState, Reason, Standing
from . import links, message
from .results import AWAY, CRASHED, OUT_OF_TURN, OVER_BUDGET, OVER_SHARE, TOO_LATE, settle
from .tally import Tally


@sensitive_variables()
def attempt(claim: Claim, connection: Connection) -> Tally:
    """Send the message of ``claim`` if it may be sent, and record the result."""
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
    return Tally() if result == OUT_OF_TURN else settle(claim, result)


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
        superseding.end_older(delivery.confirmation_id, delivery)
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
