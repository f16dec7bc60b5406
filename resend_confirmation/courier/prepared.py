"""Preparation of a batch: accounts, suppressions and links are read for all messages at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .. import accounts, database, failures
from ..accounts import Account
from ..addresses import Address
from ..deliveries import batches
from ..deliveries.claims import Claim
from ..email_backend import Message
from ..limits import suppression
from ..models import Confirmation
from ..outcomes import ConfirmationState, Standing
from . import links, message


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message that may be handed over.

    ``link`` is the delivery's columns for its link, which are stored with the hand-over.
    """

    claim: Claim
    mail: Message = field(repr=False)
    link: dict[str, Any] = field(repr=False)


class _Draft(NamedTuple):
    claim: Claim
    confirmation: Confirmation
    address: Address


def prepare_all(ahead: Sequence[Claim]) -> list[Prepared]:
    """Return messages for the claims with nothing unusual about them.

    The others, all of them after an error, are decided one by one.
    """
    try:
        return _prepare_all(ahead)
    except Exception:
        failures.report("A batch of deliveries is processed one by one")
        return []


def _prepare_all(ahead: Sequence[Claim]) -> list[Prepared]:
    drafts = _drafts(ahead)
    if not drafts:
        return []
    wanted = [(draft.confirmation.account_id, draft.address) for draft in drafts]
    found = zip(drafts, accounts_of(wanted), strict=True)
    pending = [(d, a) for d, a in found if a is not None and a.standing is Standing.PENDING]
    suppressed = suppression.suppressed(account.mailbox for _, account in pending)
    allowed = [(d, a) for d, a in pending if a.mailbox not in suppressed]
    batches.reserve([(d.claim, a.mailbox) for d, a in allowed])
    allowed = [(d, a) for d, a in allowed if d.claim.passed]
    items = [(d.claim.delivery, d.confirmation, a.mailbox) for d, a in allowed]
    assigned = zip(allowed, links.assign_ahead(items), strict=True)
    written = [_prepared(d, a, *link) for (d, a), link in assigned if link is not None]
    return [each for each in written if each is not None]


def _drafts(ahead: Sequence[Claim]) -> list[_Draft]:
    """Return the first claim of each account whose confirmation is pending."""
    now = database.now()
    drafts: dict[Any, _Draft] = {}
    for claim in ahead:
        confirmation = claim.delivery.confirmation
        if confirmation is None or claim.is_superseded or claim.supersedes:
            continue
        is_pending = confirmation.state == ConfirmationState.PENDING
        address = confirmation.parsed
        if is_pending and address is not None and not links.is_late(claim.delivery, now):
            drafts.setdefault(confirmation.account_id, _Draft(claim, confirmation, address))
    return list(drafts.values())


def _prepared(draft: _Draft, account: Account, token: str, link: dict[str, Any]) -> Prepared | None:
    delivery = draft.claim.delivery
    for name, value in link.items():
        setattr(delivery, name, value)
    try:
        mail = message.write(delivery, draft.confirmation, account, token)
    except Exception:
        # The attempt by itself raises it again, and reports it.
        return None
    return Prepared(draft.claim, mail, link)


def accounts_of(wanted: Sequence[tuple[Any, Address]]) -> list[Account | None]:
    """Return what ``accounts.of`` returns for each account and address.

    It is one statement if the store can do that, and one for each account otherwise.
    """
    store: Any = accounts.store()
    has_each = accounts.defines(store, "get", "get_each")
    found = store.get_each(wanted) if has_each else [store.get(*one) for one in wanted]
    known = zip(found, wanted, strict=True)
    return [a if a and address.proves(a.parsed) else None for a, (_, address) in known]
