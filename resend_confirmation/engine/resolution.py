"""Resolution of quiet requests by the courier: find their accounts, and queue messages."""

import logging
import time
from collections import Counter
from datetime import timedelta
from functools import partial

from .. import addresses, clients, conf, database, failures
from ..addresses import Address
from ..deliveries import retries, unresolved
from ..limits import cooldown
from ..models import Delivery
from ..outcomes import Outcome, Reason
from . import records
from .requests import (
    cooldown_key,
    find_accounts,
    outcome_without_pending,
    pending_accounts,
    queue_others,
)
from .signup import ensure_confirmation

logger = logging.getLogger("resend_confirmation")

_REASONS: dict[Outcome, Reason] = {
    Outcome.UNKNOWN: Reason.UNKNOWN,
    Outcome.CONFIRMED: Reason.CONFIRMED,
    Outcome.BLOCKED: Reason.BLOCKED,
}


@failures.discreet
def resolve(limit: int = 100) -> int:
    """Resolve up to ``limit`` due requests, and return the number of requests read.

    Each becomes queued, or ignored with the reason. If an error prevents that, it is postponed or
    fails. It is safe to run concurrently: the UPDATE that moves a row out of 'asked' succeeds for
    one courier.
    """
    requests = unresolved.due(limit)
    # A longer outage postpones the rest of the round.
    until = time.monotonic() + database.RECONNECT_SECONDS
    gone: Counter[str] = Counter()
    for request in requests:
        try:
            # It is idempotent: a resolved request is no longer in the state 'asked'.
            if not database.retry_on_disconnect(partial(_resolve, request), until):
                gone[request.client] += 1
        except Exception as error:
            failures.report("Request %d could not be resolved", request.pk)
            _postpone(request, error)
    for name, count in gone.items():
        logger.warning(
            "Ended %d requests without a message: the client %r is no longer in CLIENTS",
            count,
            name,
        )
    return len(requests)


@database.retry_on_deadlock
def _resolve(request: Delivery) -> bool:
    """Resolve one request; return False if its client was removed from the settings."""
    client = clients.by_name(request.client)
    identity = addresses.read(request.identity)
    if client is None:
        _end(request, identity, Reason.CLIENT_GONE)
    elif not client.required:
        _end(request, identity, Reason.NOT_ENABLED)
    else:
        _look_up(request, identity)
    return client is not None


def _look_up(request: Delivery, identity: Address | str) -> None:
    accounts = find_accounts(identity)
    waiting = pending_accounts(accounts)
    if not waiting:
        # A slot is taken here too. Otherwise COOLING_DOWN would reveal a pending account.
        key = cooldown_key(identity, accounts)
        _end(request, identity, _REASONS[outcome_without_pending(accounts)], key)
        return
    first, *others = waiting
    # The slot is taken at the time of the request. A caller who waited as long as the answer said
    # is then not refused because of the courier's delay.
    request.slot_at = request.asked_at
    with database.atomic():
        if not unresolved.hold(request):
            return
        records.note_delivery(identity, request)
        confirmation_id = (
            first.confirmation_id
            or ensure_confirmation(first, client=request.client, language=request.language).pk
        )
        key = first.mailbox.canonical
        if cooldown.take(key, first.cooldown, request.slot_at):
            unresolved.ignore(request, Reason.COOLING_DOWN, confirmation_id=confirmation_id)
        else:
            unresolved.queue(request, confirmation_id=confirmation_id, slot_at=request.slot_at)
            if others:
                queue_others(request, others)


def _end(request: Delivery, identity: Address | str, reason: Reason, key: str = "") -> None:
    """End a request without a message; take a slot of the cooldown ``key``, if there is one."""
    with database.atomic():
        if unresolved.ignore(request, reason):
            records.note_delivery(identity, request)
            if key:
                cooldown.take(key)


def _postpone(request: Delivery, error: Exception) -> None:
    """Retry later; fail after the last attempt, or past the lifetime of a link.

    An outage does not use up an attempt.
    """
    now = database.now()
    tries = request.attempts + 1
    if failures.is_outage(error):
        tries, wait = request.attempts, retries.wait_for_outage(now - request.asked_at)
    else:
        wait = retries.wait_after(tries) or timedelta.max
    reason = Reason.CRASHED if tries > len(retries.SCHEDULE) else Reason.TOO_LATE
    if wait > request.asked_at + conf.get().LINK_LIFETIME - now:
        if unresolved.fail(request, reason):
            records.note_delivery(addresses.read(request.identity), request)
        return
    unresolved.postpone(request, tries, now + retries.with_jitter(wait))
