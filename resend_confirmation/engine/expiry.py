"""Expiry: the end of confirmations that were never made, and of their accounts if the host says so.

The account of each is locked, and everything is checked again, before anything is changed.
"""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, ProtectedError, Q, QuerySet, RestrictedError
from django.utils.module_loading import import_string

from .. import accounts, conf, database, failures, tokens
from ..accounts import Account, ConfirmationStore, FlagStore
from ..courier.prepared import accounts_of
from ..deliveries import states
from ..models import Confirmation, Delivery
from ..outcomes import ConfirmationState, Expiry, Standing
from ..signals import confirmation_expired
from .signup import locked_account_of, moved_account_of

#: Number of confirmations that are read at once. Each account is a separate transaction.
BATCH = 1000

#: Values of the user's fields, as far as the model has them, without which nothing expires.
_UNUSED = {"last_login": None, "is_staff": False, "is_superuser": False}


class Problem(enum.Enum):
    """A reason for which an account was left as it is."""

    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A confirmation's address, and what was done with its account, or would be."""

    address: str
    ending: Expiry | Problem


def expire(before: datetime, size: int = BATCH) -> Iterator[Expired]:
    """Expire the confirmations requested before then, one by one, and yield what was done.

    The caller may stop at any time, and begin again later. Exceptions of the host's callable, of
    receivers and of deletions are logged without their text; the account is then left alone.
    """
    for some in _batches(before, size):
        for row in some:
            ending = _attempt(row, before)
            if ending is not None:
                yield Expired(address=row.address, ending=ending)


def preview(before: datetime, size: int = BATCH) -> Iterator[Expired]:
    """Yield what ``expire`` would do, as far as it is known without deleting anything."""
    for some in _batches(before, size):
        for row, account in zip(some, _accounts(some), strict=True):
            if account is not None and _is_unconfirmed(account):
                yield Expired(address=row.address, ending=_decide_safely(row, account))


def _batches(before: datetime, size: int) -> Iterator[list[Confirmation]]:
    rows = _expirable(before)
    some = list(rows[:size])
    while some:
        yield some
        last = some[-1]
        # Those that were left alone are still there.
        later = Q(requested_at__gt=last.requested_at)
        later |= Q(requested_at=last.requested_at, pk__gt=last.pk)
        some = list(rows.filter(later, requested_at__gte=last.requested_at)[:size])


def _expirable(before: datetime) -> QuerySet[Confirmation]:
    """Return the newest pending confirmation of each account of which none is confirmed.

    Accounts that have a link that works or a message under way are left out, and those that staff
    or a person uses.
    """
    same = Confirmation.objects.filter(account=OuterRef("account"))
    later = Q(requested_at__gt=OuterRef("requested_at"))
    later |= Q(requested_at=OuterRef("requested_at"), pk__gt=OuterRef("pk"))
    under_way = Delivery.objects.filter(
        states.IS_QUEUED | states.IS_CLAIMED, confirmation=OuterRef("pk")
    )
    rows = Confirmation.objects.filter(
        Q(expires_at=None) | Q(expires_at__lte=database.now()),
        _of_unused_accounts(),
        ~Exists(same.filter(state=ConfirmationState.CONFIRMED)),
        ~Exists(same.filter(later, state=ConfirmationState.PENDING)),
        ~Exists(under_way),
        state=ConfirmationState.PENDING,
        requested_at__lt=before,
    )
    return rows.order_by("requested_at", "pk")


def _of_unused_accounts() -> Q:
    names = {field.name for field in get_user_model()._meta.get_fields()}
    return Q(**{f"account__{name}": value for name, value in _UNUSED.items() if name in names})


def _accounts(rows: Sequence[Confirmation]) -> list[Account | None]:
    """Return the accounts of the confirmations, in one statement if the store can."""
    known = {row.pk: (row.account_id, address) for row in rows if (address := row.parsed)}
    found = dict(zip(known, accounts_of(list(known.values())), strict=True))
    return [found.get(row.pk) or moved_account_of(row) for row in rows]


def _is_unconfirmed(account: Account) -> bool:
    """Return whether the account is pending, with each of its addresses."""
    if account.standing is not Standing.PENDING:
        return False
    store = accounts.store()
    if type(store) in {ConfirmationStore, FlagStore}:
        return True
    # Other stores may know several addresses of an account.
    return not any(
        other.standing is Standing.CONFIRMED and other.user.pk == account.user.pk
        for other in store.find(account.username)
    )


def _decide(account: Account) -> Expiry:
    """Return what the host's callable wants to be done with the account."""
    path = conf.get().EXPIRE
    return Expiry(import_string(path)(account)) if path else Expiry.KEEP


@failures.discreet
def _decide_safely(row: Confirmation, account: Account) -> Expiry | Problem:
    try:
        return _decide(account)
    except Exception:
        failures.report("Confirmation %d cannot expire", row.pk)
        return Problem.FAILED


@failures.discreet
def _attempt(row: Confirmation, before: datetime) -> Expiry | Problem | None:
    try:
        return _expire(row, before)
    except (ProtectedError, RestrictedError):
        return Problem.REFUSED
    except Exception:
        failures.report("Confirmation %d could not expire", row.pk)
        return Problem.FAILED


@database.retry_on_deadlock
def _expire(row: Confirmation, before: datetime) -> Expiry | None:
    """Expire one confirmation; return None if the account is to be left alone by now."""
    with database.atomic():
        found = locked_account_of(row)
        confirmation = _expirable(before).filter(pk=row.pk).first()
        if confirmation is None:
            return None
        account = found or moved_account_of(confirmation)
        if account is None or not _is_unconfirmed(account):
            return None
        action = _decide(account)
        waiting = Confirmation.objects.filter(
            account=confirmation.account_id, state=ConfirmationState.PENDING
        )
        waiting.update(state=ConfirmationState.WITHDRAWN, selector=tokens.new_selector())
        confirmation.refresh_from_db(using=database.using())
        # Receivers may remove rows that refer to the account.
        confirmation_expired.send(
            Confirmation, confirmation=confirmation, user=account.user, action=action
        )
        if action is Expiry.DEACTIVATE:
            account.user.is_active = False
            account.user.save(update_fields=["is_active"])
        elif action is Expiry.DELETE:
            account.user.delete()
    return action
