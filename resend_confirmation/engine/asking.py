"""Resending: from an ask to an ending, and a delivery in the caller's transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.db.models import Q

from .. import addresses, clients, conf, database, failures
from ..accounts import Account
from ..addresses import Address
from ..clients import Client
from ..limits import cooldown
from ..models import Confirmation, Cooldown, Delivery
from ..outcomes import CONCEALED, DeliveryState, Ending, Origin, Outcome, Reason, Refusal
from . import backlog, matching, outbox
from .signup import ensure_confirmation

#: The outcomes that say what an account is.
_OF_ACCOUNTS = frozenset({Outcome.UNKNOWN, Outcome.CONFIRMED, Outcome.BLOCKED})


def _nothing(result: "Result") -> None:
    """Nobody wants to know before the commit."""


@dataclass(frozen=True, slots=True)
class Result:
    """An ending; ``identity`` is as typed, ``address`` the account's own where it was found."""

    ending: Ending
    identity: str = field(default="", repr=False)
    address: str = field(default="", repr=False)
    retry_after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRequest:
    """One ask, in our words.

    ``identity`` is what the caller typed, at most 255 characters; ``redirect`` the URL it named,
    an empty string for none, None where the dialect has no such parameter; ``client_state`` and
    ``payload`` are handed back on landing. ``language`` is what the call names; where it names
    none the account's goes before ``accept_language``, the browser's. ``quiet`` are the endings
    answered as SENT. ``caller`` tells of the network that asks, for quiet requests: what one can
    have stored is bounded. ``before_commit`` is called with SENT's Result in the transaction that
    wrote for it; what it raises takes back everything that was written.
    """

    identity: str = field(repr=False)
    client: Client | None
    dialect: str = ""
    redirect: str | None = None
    client_state: str = field(default="", repr=False)
    payload: str = field(default="", repr=False)
    language: str = ""
    accept_language: str = ""
    quiet: frozenset[Ending] = field(default_factory=frozenset)
    caller: backlog.Caller = backlog.UNKNOWN
    before_commit: Callable[[Result], object] = _nothing


@failures.discreet
@database.retry_on_deadlock
def resend(request: ResendRequest) -> Result:
    """Send the message again to the pending account that ``request`` names.

    Quiet requests are written down unread, in one INSERT, and resolved by the courier; candid
    ones are looked up here. Nothing is sent before the caller's transaction commits.
    """
    request = replace(request, identity=request.identity.strip(addresses.BLANKS))
    if len(request.identity) > addresses.MAX_LENGTH or not addresses.is_clean(request.identity):
        # No database could look it up, nor keep it: nobody's, like an empty one.
        request = replace(request, identity="")
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
        # Where none can be named, the courier takes that of the newest message before.
        redirect=redirect.id if redirect and request.redirect is not None else "",
        client_state=request.client_state,
        payload=request.payload,
        language=request.language,
        accept_language=request.accept_language,
    )
    if request.quiet >= CONCEALED or not client.required:
        return _ask(request, request.identity, draft)
    return _look_up(request, draft)


def _ask(request: ResendRequest, identity: Address | str, draft: Delivery) -> Result:
    """Write the ask down for the courier, so that nothing here can tell of an account.

    The cooldown that is told is that of what was typed. The address has its own, which the
    courier takes: told, it would link a user name to an address.
    """
    result = Result(Outcome.SENT, request.identity, request.identity)
    if not backlog.admits(request.caller):
        return result
    draft.identity = request.identity
    tells = Outcome.COOLING_DOWN not in request.quiet
    with database.atomic():
        if tells and (wait := cooldown.take(_typed(identity))):
            return Result(Outcome.COOLING_DOWN, retry_after=wait)
        _insert(draft, DeliveryState.ASKED)
        backlog.inserted()
        request.before_commit(result)
    return result


def _typed(identity: Address | str) -> str:
    """Return the key of the cooldown of what was typed; no address and no name has a line break."""
    return f"typed\n{matching.key(identity, [])}"


def _look_up(request: ResendRequest, draft: Delivery) -> Result:
    identity = addresses.read(request.identity)
    accounts = matching.find(identity)
    waiting = matching.pending(accounts)
    outcome = Outcome.SENT if waiting else matching.outcome_without_pending(accounts)
    # Where another outcome must look like SENT, SENT has to look like it.
    if outcome in request.quiet or (waiting and request.quiet & _OF_ACCOUNTS):
        return _ask(request, identity, draft)
    if not waiting:
        return Result(outcome)
    now = draft.slot_at = database.now()
    with database.atomic():
        key = waiting[0].mailbox.canonical
        if wait := cooldown.take(key, waiting[0].cooldown, now):
            return Result(Outcome.COOLING_DOWN, retry_after=wait)
        queue(draft, waiting)
        result = Result(Outcome.SENT, request.identity, waiting[0].address)
        request.before_commit(result)
    return result


def queue(draft: Delivery, accounts: Sequence[Account]) -> None:
    """Queue a delivery like ``draft`` for the first account; the others', if any, wait for theirs.

    In the caller's transaction, which took the slot of ``draft``.
    """
    first, *others = accounts
    queue_others(draft, others)
    _insert(_copy(draft, first, slot_at=draft.slot_at), DeliveryState.QUEUED)


def queue_others(draft: Delivery, others: Sequence[Account]) -> None:
    """Queue deliveries without a slot: one leaves in each next slot of the address, newest first.

    An account whose delivery waits already keeps its place.
    """
    if not others:
        return
    waiting = set(
        Delivery.objects.filter(
            confirmation__in=[account.confirmation_id for account in others],
            state=DeliveryState.QUEUED,
        ).values_list("confirmation", flat=True)
    )
    new = [a for a in others if a.confirmation_id is None or a.confirmation_id not in waiting]
    # The newest last, so that the keys' order is theirs.
    for place, account in reversed(list(enumerate(new, start=1))):
        delivery = _copy(draft, account, reason=Reason.TURN)
        _insert(delivery, DeliveryState.QUEUED, place * conf.get().COOLDOWN.gap)


def _copy(draft: Delivery, account: Account, **values: Any) -> Delivery:
    client, language = draft.client, draft.language
    return Delivery(
        confirmation_id=account.confirmation_id
        or ensure_confirmation(account, client=client, language=language).pk,
        dialect=draft.dialect,
        client=client,
        redirect=draft.redirect,
        client_state=draft.client_state,
        payload=draft.payload,
        language=language,
        origin=draft.origin,
        accept_language=draft.accept_language,
        **values,
    )


@failures.discreet
@database.retry_on_deadlock
def send_to(
    account: Account,
    *,
    client: str = "",
    dialect: str = "",
    redirect: str = "",
    origin: Origin = Origin.ASK,
) -> Result:
    """Queue the message for an account that staff or a command chose; the cooldown holds.

    Where no way is named it goes as the newest before it, so that its link is the same and lands
    in the same place. If the slot was taken for another account with this address, the delivery
    waits for the next.
    """
    if not matching.pending([account]):
        return Result(matching.outcome_without_pending([account]))
    now = database.now()
    named = {"client": client, "dialect": dialect, "redirect": redirect}
    way = named if any(named.values()) else _usual_way(account)
    draft = Delivery(**way, origin=origin, slot_at=now)
    with database.atomic():
        if wait := cooldown.take(account.mailbox.canonical, account.cooldown, now):
            if not _may_wait(account):
                return Result(Outcome.COOLING_DOWN, retry_after=wait)
            delivery = _copy(draft, account, reason=Reason.TURN)
            _insert(delivery, DeliveryState.QUEUED, timedelta(seconds=wait))
        else:
            queue(draft, [account])
    return Result(Outcome.SENT, account.address, account.address)


def _usual_way(account: Account) -> dict[str, Any]:
    """The newest message's client and where it lands, else the confirmation's client."""
    ours = Confirmation.objects.filter(
        Q(account_id=account.user.pk, fingerprint=account.mailbox.fingerprint)
        | Q(pk=account.former_id or 0)
    )
    newest = Delivery.objects.filter(confirmation__in=ours).order_by("-asked_at", "-pk")
    way = newest.values("client", "dialect", "redirect", "client_state", "payload").first()
    return dict(way) if way else {"client": ours.values_list("client", flat=True).first() or ""}


def _may_wait(account: Account) -> bool:
    """Return whether another account took the newest slot, and nothing is under way for this."""
    digest = cooldown.digest(account.mailbox.canonical)
    last = Cooldown.objects.filter(digest=digest).values("last_at")
    sharing = Delivery.objects.filter(
        Q(slot_at__in=last) | Q(state__in=[DeliveryState.QUEUED, DeliveryState.SENDING]),
        confirmation__fingerprint=account.mailbox.fingerprint,
    )
    busy = set(sharing.values_list("confirmation__account_id", flat=True))
    return bool(busy) and account.user.pk not in busy


def _insert(delivery: Delivery, state: DeliveryState, wait: timedelta = timedelta(0)) -> None:
    delivery.state = state
    delivery.reason = delivery.reason or Reason.NONE
    delivery.asked_at = database.now()
    delivery.not_before = delivery.asked_at + wait
    outbox.insert(delivery)
