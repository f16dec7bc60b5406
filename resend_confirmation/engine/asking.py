"""Resending: from an ask to an ending, and a delivery in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import router, transaction
from django.utils import timezone

from .. import addresses, clients
from ..accounts import Account
from ..clients import Client
from ..models import Delivery
from ..outcomes import CONCEALED, DeliveryState, Ending, Outcome, Reason, Refusal
from . import backlog, cooldown, matching, outbox
from .deadlocks import retried
from .signup import ensure_confirmation


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRequest:
    """One ask, in our words.

    ``identity`` is what the caller typed, at most 255 characters; ``redirect`` the URL it named,
    an empty string for none, None where the dialect has no such parameter; ``client_state`` and
    ``payload`` are handed back on landing. ``quiet`` are the endings answered as SENT.
    """

    identity: str
    client: Client | None
    dialect: str = ""
    redirect: str | None = None
    client_state: str = ""
    payload: str = ""
    language: str = ""
    quiet: frozenset[Ending] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Result:
    """An ending; ``identity`` is as typed, ``address`` the account's own where it was found."""

    ending: Ending
    identity: str = ""
    address: str = ""
    retry_after: int = 0


@retried
def resend(request: ResendRequest) -> Result:
    """Send the message again to the pending account that ``request`` names.

    Quiet requests are written down unread, in one INSERT, and resolved by the courier; candid
    ones are looked up here. Nothing is sent before the caller's transaction commits.
    """
    client = request.client
    if client is None:
        return Result(Refusal.UNKNOWN_CLIENT)
    if not client.required and Refusal.NOT_ENABLED not in request.quiet:
        return Result(Refusal.NOT_ENABLED)
    redirect = clients.find_redirect(client, request.redirect)
    if isinstance(redirect, Refusal):
        return Result(redirect)
    draft = Delivery(
        dialect=request.dialect,
        client=client.name,
        redirect=redirect.id if redirect else "",
        client_state=request.client_state,
        payload=request.payload,
        language=request.language,
    )
    if request.quiet >= CONCEALED:
        return _ask(request, draft)
    if not client.required:
        return _pretend(request, draft, Reason.NOT_ENABLED)
    return _look_up(request, draft)


def _ask(request: ResendRequest, draft: Delivery) -> Result:
    """Write the ask down; the account is not looked up, so that time cannot tell of it."""
    result = Result(Outcome.SENT, request.identity, request.identity)
    if not backlog.admits():
        return result
    draft.identity = request.identity
    with transaction.atomic(using=router.db_for_write(Delivery)):
        _insert(draft, DeliveryState.ASKED)
    backlog.inserted()
    return result


def _look_up(request: ResendRequest, draft: Delivery) -> Result:
    accounts = matching.find(request.identity)
    if waiting := matching.pending(accounts):
        # Where UNKNOWN must look like SENT, both take the same statements: no hint.
        hint = None if Outcome.UNKNOWN in request.quiet else waiting[0].cooldown
        with transaction.atomic(using=router.db_for_write(Delivery)):
            if wait := cooldown.take(addresses.canonical(waiting[0].address), hint):
                return Result(Outcome.COOLING_DOWN, retry_after=wait)
            queue(draft, waiting)
        return Result(Outcome.SENT, request.identity, waiting[0].address)
    outcome = matching.outcome_without_pending(accounts)
    if outcome in request.quiet:
        return _pretend(request, draft, matching.REASONS[outcome])
    return Result(outcome)


def _pretend(request: ResendRequest, draft: Delivery, reason: Reason) -> Result:
    """Do for an identity that gets no message what is done for one that does."""
    identity = addresses.canonical_identity(request.identity)
    key = addresses.canonical(identity) if addresses.is_address(identity) else identity
    with transaction.atomic(using=router.db_for_write(Delivery)):
        if wait := cooldown.take(key):
            return Result(Outcome.COOLING_DOWN, retry_after=wait)
        draft.reason = reason
        draft.ended_at = timezone.now()
        _insert(draft, DeliveryState.IGNORED)
    return Result(Outcome.SENT, request.identity, request.identity)


def queue(draft: Delivery, accounts: Sequence[Account]) -> None:
    """One delivery like ``draft`` for each of ``accounts``, in the caller's transaction."""
    client, language = draft.client, draft.language
    for account in accounts:
        delivery = Delivery(
            confirmation_id=account.confirmation_id
            or ensure_confirmation(account, client=client, language=language).pk,
            dialect=draft.dialect,
            client=client,
            redirect=draft.redirect,
            client_state=draft.client_state,
            payload=draft.payload,
            language=language,
        )
        _insert(delivery, DeliveryState.QUEUED)


@retried
def send_to(account: Account, *, client: str = "", dialect: str = "", redirect: str = "") -> Result:
    """Queue the message for an account that staff or a command chose; the cooldown holds."""
    if not matching.pending([account]):
        return Result(matching.outcome_without_pending([account]))
    draft = Delivery(dialect=dialect, client=client, redirect=redirect)
    with transaction.atomic(using=router.db_for_write(Delivery)):
        if wait := cooldown.take(addresses.canonical(account.address), account.cooldown):
            return Result(Outcome.COOLING_DOWN, retry_after=wait)
        queue(draft, [account])
    return Result(Outcome.SENT, account.address, account.address)


def _insert(delivery: Delivery, state: DeliveryState) -> None:
    delivery.state = state
    delivery.reason = delivery.reason or Reason.NONE
    delivery.asked_at = delivery.not_before = timezone.now()
    outbox.insert(delivery)
