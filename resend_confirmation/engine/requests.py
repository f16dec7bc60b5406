"""Requests to resend: from a request to an ending, and a delivery in the caller's transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from django.db import transaction

from .. import addresses, clients, conf, database, failures
from ..accounts import Account, defines, store
from ..addresses import Address
from ..clients import Client
from ..deliveries import outbox, states
from ..limits import cooldown
from ..models import Delivery
from ..outcomes import CONCEALED, Ending, Outcome, Reason, Refusal, Standing
from . import backlog, records
from .signup import ensure_confirmation

#: The outcomes that depend on the state of an account.
_OF_ACCOUNTS = frozenset({Outcome.UNKNOWN, Outcome.CONFIRMED, Outcome.BLOCKED})
#: The standings that settle a request, whatever other accounts the address has.
_DECISIVE = frozenset({Standing.PENDING, Standing.CONFIRMED})


def _nothing(result: "Result") -> None:
    """Do nothing; the default for ``before_storing``."""


@dataclass(frozen=True, slots=True)
class Result:
    """The ending of a request.

    For SENT, ``identity`` is the identity as typed. ``address`` is the account's address if the
    account was looked up, and ``identity`` otherwise.
    """

    ending: Ending
    identity: str = field(default="", repr=False)
    address: str = field(default="", repr=False)
    retry_after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRequest:
    """One request to resend the message, independent of the dialect.

    ``identity`` is the text that the caller typed, at most 255 characters, and ``parsed`` the same
    as an address, if it was parsed before. ``redirect`` is the URL that the caller named: an empty
    string for none, None if the dialect has no such parameter. ``client_state`` and ``payload``
    are handed back on landing. ``language`` is the language that the request names. Without it the
    account's language is used, and then ``accept_language``, the browser's.

    ``quiet`` holds the endings that are answered as SENT. ``caller`` is the network of the caller,
    which limits the number of its requests that are stored. ``before_storing`` is called with the
    Result for SENT, before the request is stored. If it raises an exception, nothing is stored.
    """

    identity: str = field(repr=False)
    parsed: Address | None = None
    client: Client | None
    dialect: str = ""
    redirect: str | None = None
    client_state: str = field(default="", repr=False)
    payload: str = field(default="", repr=False)
    language: str = ""
    accept_language: str = ""
    quiet: frozenset[Ending] = field(default_factory=frozenset)
    caller: backlog.Caller = backlog.UNKNOWN
    before_storing: Callable[[Result], object] = _nothing


def resend(request: ResendRequest) -> Result:
    """Send the message again to the pending account that ``request`` names.

    A quiet request is stored without a look-up, in one INSERT, and the courier resolves it. A
    candid request is looked up here. Nothing is sent before the caller's transaction commits.
    """
    try:
        return _resend(request)
    except Exception as error:
        failures.censor(error)
        raise


@database.retry_on_deadlock
def _resend(request: ResendRequest) -> Result:
    client = request.client
    if client is None:
        return Result(Refusal.UNKNOWN_CLIENT)
    identity = request.identity.strip(addresses.BLANKS)
    if len(identity) > addresses.MAX_LENGTH or not (request.parsed or addresses.is_clean(identity)):
        # No database can store this value, so it is treated like an empty identity.
        identity = ""
    if identity != request.identity:
        request = replace(request, identity=identity)
    if not client.required and Refusal.NOT_ENABLED not in request.quiet:
        read = addresses.read(identity, request.parsed)
        draft = Delivery(dialect=request.dialect, client=client.name)
        return _refuse(request, read, draft, Refusal.NOT_ENABLED)
    redirect = clients.find_redirect(client, request.redirect)
    if isinstance(redirect, Refusal):
        return Result(redirect)
    draft = Delivery(
        dialect=request.dialect,
        client=client.name,
        # If the dialect cannot name a redirect, the courier uses that of the previous message.
        redirect=redirect.id if redirect and request.redirect is not None else "",
        client_state=request.client_state,
        payload=request.payload,
        language=request.language,
        accept_language=request.accept_language,
    )
    if request.quiet >= CONCEALED or not client.required:
        return _store(request, request.identity, draft)
    return _look_up(request, draft)


def _store(request: ResendRequest, identity: Address | str, draft: Delivery) -> Result:
    """Store the request for the courier, so that the answer does not reveal an account.

    The reported cooldown is that of the typed identity. The address has a separate cooldown, which
    the courier takes. Reporting that one would link a user name to an address.
    """
    result = Result(Outcome.SENT, request.identity, request.identity)
    if not backlog.admits(request.caller):
        return result
    draft.identity = request.identity
    request.before_storing(result)
    reveals_cooldown = Outcome.COOLING_DOWN not in request.quiet
    is_check_due = backlog.unanswered.is_check_due()
    if not reveals_cooldown and not is_check_due:
        # A single statement needs no transaction.
        outbox.insert_request(draft)
        return result
    with database.atomic():
        if reveals_cooldown and (wait := cooldown.take(_typed(identity))):
            return _refuse(request, identity, draft, Outcome.COOLING_DOWN, wait)
        outbox.insert_request(draft)
        if is_check_due:
            backlog.unanswered.check()
    return result


def _typed(identity: Address | str) -> str:
    """Return the cooldown key of the typed identity.

    It differs from the keys of addresses and user names, since those have no line break.
    """
    return f"typed\n{cooldown_key(identity, [])}"


def _look_up(request: ResendRequest, draft: Delivery) -> Result:
    identity = addresses.read(request.identity, request.parsed)
    accounts = find_accounts(identity, stop_early=not request.quiet & _OF_ACCOUNTS)
    waiting = pending_accounts(accounts)
    outcome = Outcome.SENT if waiting else outcome_without_pending(accounts)
    # If another outcome is answered as SENT, SENT has to take the same path.
    if outcome in request.quiet or (waiting and request.quiet & _OF_ACCOUNTS):
        return _store(request, identity, draft)
    if not waiting:
        return _refuse(request, identity, draft, outcome)
    now = draft.slot_at = draft.asked_at = database.now()
    first, *others = waiting
    if first.cooldown and (wait := cooldown.seconds_left(first.cooldown, now)):
        # What was read may be outdated, but a wrong refusal only costs a wait.
        return _refuse(request, identity, draft, Outcome.COOLING_DOWN, wait)
    result = Result(Outcome.SENT, request.identity, first.address)
    request.before_storing(result)
    key = first.mailbox.canonical
    delivery, draft.confirmation_id = draft, first.confirmation_id
    is_plain = first.confirmation_id and first.cooldown and not others
    if not (is_plain and outbox.queue_with_slot(draft, key)):
        with database.atomic():
            if wait := cooldown.take(key, at=now):
                return _refuse(request, identity, draft, Outcome.COOLING_DOWN, wait)
            delivery = queue(draft, waiting)
    note = partial(records.notes.append, records.Note(identity, delivery))
    transaction.on_commit(note, using=delivery._state.db)
    return result


def _refuse(
    request: ResendRequest, identity: Address | str, draft: Delivery, ending: Ending, wait: int = 0
) -> Result:
    """Return the result of a request that is refused, and note that: the answer reveals it."""
    records.note_refusal(identity, draft, Reason(ending.value), request.caller)
    return Result(ending, retry_after=wait)


def queue(draft: Delivery, accounts: Sequence[Account]) -> Delivery:
    """Queue a delivery like ``draft`` for each account; all but the first wait for their slots.

    Return the first. Call it in the transaction that took the slot of ``draft``.
    """
    first, *others = accounts
    if others:
        queue_others(draft, others)
    delivery = copy_for(draft, first, slot_at=draft.slot_at, asked_at=draft.slot_at)
    outbox.queue(delivery)
    return delivery


def queue_others(draft: Delivery, others: Sequence[Account]) -> None:
    """Queue deliveries without a slot: one is sent per slot of the address, newest account first.

    An account that has a queued delivery already gets no second one.
    """
    waiting = set(
        Delivery.objects.filter(
            states.IS_QUEUED,
            confirmation__in=[account.confirmation_id for account in others],
        ).values_list("confirmation", flat=True)
    )
    new = [account for account in others if account.confirmation_id not in waiting]
    # The newest account comes last, so that the order of the keys is that of the accounts' age.
    for place, account in reversed(list(enumerate(new, start=1))):
        delivery = copy_for(draft, account, reason=Reason.TURN)
        outbox.queue(delivery, place * conf.get().COOLDOWN.gap)


def copy_for(draft: Delivery, account: Account, **values: Any) -> Delivery:
    """Return an unsaved delivery like ``draft`` for ``account``."""
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


# Look-up of accounts by identity: the store's candidates, compared exactly in Python


def find_accounts(identity: Address | str, *, stop_early: bool = False) -> list[Account]:
    """Find the accounts that ``identity`` names; never raise ValueError.

    Databases differ in the letters that they treat as equal, so a look-up alone could return other
    accounts. An identity that is an address matches addresses only. With user names as a fallback,
    a message would reveal that no account has the address.

    ``stop_early`` leaves out accounts without a confirmation if one that has a confirmation is
    pending or confirmed. That saves a statement, which reveals the account.
    """
    identity = addresses.read(identity) if isinstance(identity, str) else identity
    known = store()
    if not (stop_early and defines(known, "find", "find_stepwise")):
        return exactly(identity, known.find(identity))
    found: list[Account] = []
    for candidates in known.find_stepwise(identity):  # type: ignore[attr-defined]
        found = exactly(identity, candidates)
        if any(a.confirmation_id and a.standing in _DECISIVE for a in found):
            break
    return found


def exactly(identity: Address | str, candidates: Sequence[Account]) -> list[Account]:
    """Return the candidates of a store that ``identity`` names."""
    if isinstance(identity, Address):
        return [a for a in candidates if a.parsed == identity]
    return [a for a in candidates if addresses.canonical_identity(a.username) == identity]


def names(identity: str, account: Account) -> bool:
    """Return whether ``identity`` names ``account``: by its address, or else by its user name."""
    if (address := Address.parse(identity, account.parsed)) is not None:
        return address == account.parsed
    return addresses.canonical_identity(identity) == addresses.canonical_identity(account.username)


def pending_accounts(accounts: Sequence[Account]) -> list[Account]:
    """Return the pending accounts that have a valid address, the newest first."""
    waiting = [a for a in accounts if a.standing is Standing.PENDING and a.parsed]
    # Stores return the oldest account first. The primary keys may not be in that order.
    waiting.reverse()
    return sorted(waiting, key=lambda a: -(a.confirmation_id or 0))


def cooldown_key(identity: Address | str, accounts: Sequence[Account]) -> str:
    """Return the cooldown key: the account's canonical address, else the normalised identity."""
    named = (accounts[0].parsed if accounts else None) or identity
    return named.canonical if isinstance(named, Address) else named


def outcome_without_pending(accounts: Sequence[Account]) -> Outcome:
    """Return the outcome for ``accounts`` of which none is pending."""
    standings = {account.standing for account in accounts}
    if Standing.CONFIRMED in standings:
        return Outcome.CONFIRMED
    return Outcome.BLOCKED if Standing.BLOCKED in standings else Outcome.UNKNOWN
