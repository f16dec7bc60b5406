"""Accounts of an export: made to wait or confirmed, in batches with few statements."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router

from .. import accounts, addresses, database, failures
from ..accounts import Account
from ..addresses import Address
from ..models import Confirmation
from ..outcomes import Standing
from .confirmation import confirm_by_hand
from .requests import exactly
from .signup import ensure_confirmation, fresh_columns, pair_of


class ImportEnding(enum.Enum):
    """What a row of an export led to."""

    STARTED = "started"
    WAITING = "waiting"
    CONFIRMED_NOW = "confirmed_now"
    CONFIRMED = "confirmed"
    SKIPPED = "skipped"
    INVALID = "invalid"
    UNKNOWN = "unknown"
    SEVERAL = "several"
    NO_ADDRESS = "no_address"
    BLOCKED = "blocked"
    CONFLICT = "conflict"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One account of an export, with its standing there.

    ``username`` chooses among accounts that share the address. ``client`` is the name of a client,
    ``language`` a language code, and ``requested_at`` the time of the sign-up; None is now.
    """

    identity: Address | str = field(repr=False)
    username: str = field(default="", repr=False)
    standing: Standing = Standing.PENDING
    client: str = ""
    language: str = ""
    requested_at: datetime | None = None


#: The endings of entries for which nothing is written, by the standing of the account here.
_UNCHANGED = {
    Standing.PENDING: ImportEnding.WAITING,
    Standing.CONFIRMED: ImportEnding.CONFIRMED,
    Standing.BLOCKED: ImportEnding.BLOCKED,
}
_Pair = tuple[str, str]


@failures.discreet
@database.retry_on_deadlock
def bring_in(entries: Sequence[Entry], *, dry: bool = False) -> list[ImportEnding]:
    """Make the accounts of ``entries`` wait, or confirm them, in one transaction; send nothing.

    An account that waits, has confirmed or is blocked here does not wait again, so that a second
    call changes nothing. Accounts that are pending here are confirmed one by one, by the account
    store. With ``dry``, nothing is changed and the endings are the likely ones.
    """
    with database.atomic():
        batch = _Batch(entries, dry)
        batch.run()
        if dry:
            database.roll_back()
    return [batch.endings[place] for place in range(len(entries))]


class _Batch:
    """The entries of one transaction, and their endings by place."""

    def __init__(self, entries: Sequence[Entry], dry: bool) -> None:
        self._entries, self._dry = entries, dry
        self._store: Any = accounts.store()
        self.endings: dict[int, ImportEnding] = {}

    def run(self) -> None:
        places: Iterable[int] = range(len(self._entries))
        while places:
            places = self._take(list(places))

    def _take(self, places: list[int]) -> list[int]:
        """Process the entries at ``places``; return those whose account has an earlier entry."""
        found = self._find(places)
        _lock({account.user.pk for account in found.values()})
        states = _states(found.values())
        new: dict[_Pair, int] = {}
        seen: set[_Pair] = set()
        later = []
        for place, account in found.items():
            pair = pair_of(account)
            if pair in seen:
                later.append(place)
                continue
            seen.add(pair)
            standing = self._entries[place].standing
            if standing is Standing.PENDING and _may_start(account, states):
                new[pair] = place
            elif standing is Standing.CONFIRMED and account.standing is Standing.PENDING:
                self.endings[place] = self._confirm(account, self._entries[place])
            else:
                self.endings[place] = _unchanged(standing, account)
        if new:
            self._start({place: found[place] for place in new.values()})
        return later

    def _find(self, places: Sequence[int]) -> dict[int, Account]:
        """Return the accounts at the places that name exactly one with an address."""
        entries = [self._entries[place] for place in places]
        identities = [entry.identity for entry in entries]
        if accounts.defines(self._store, "find", "find_each"):
            candidates = self._store.find_each(identities)
        else:
            candidates = [self._store.find(each) for each in identities]
        found = {}
        for place, entry, some in zip(places, entries, candidates, strict=True):
            match _named(entry, some):
                case [account] if account.parsed:
                    found[place] = account
                case [account]:
                    self.endings[place] = ImportEnding.NO_ADDRESS
                case []:
                    self.endings[place] = ImportEnding.UNKNOWN
                case _:
                    self.endings[place] = ImportEnding.SEVERAL
            if place in self.endings and entry.standing is Standing.BLOCKED:
                self.endings[place] = ImportEnding.SKIPPED
        return found

    def _confirm(self, account: Account, entry: Entry) -> ImportEnding:
        if self._dry:
            return ImportEnding.CONFIRMED_NOW
        row = ensure_confirmation(account, client=entry.client, language=entry.language)
        is_done = confirm_by_hand(row)
        return ImportEnding.CONFIRMED_NOW if is_done else ImportEnding.REFUSED

    def _start(self, chosen: dict[int, Account]) -> None:
        """Insert confirmations, and delete those after which the store finds nothing pending.

        Only the store knows whether an account with a pending confirmation is pending.
        """
        rows = [self._row(self._entries[place], each) for place, each in chosen.items()]
        # A row that another process has just inserted is kept.
        Confirmation.objects.bulk_create(rows, ignore_conflicts=True)
        ours = Confirmation.objects.filter(
            account__in=[row.account_id for row in rows],
            selector__in=[row.selector for row in rows],
        )
        inserted = set(ours.values_list("selector", flat=True))
        after = self._get([(each.user.pk, each.mailbox) for each in chosen.values()])
        undone = []
        for place, row, account in zip(chosen, rows, after, strict=True):
            if account is not None and account.standing is Standing.PENDING:
                is_ours = row.selector in inserted
                self.endings[place] = ImportEnding.STARTED if is_ours else ImportEnding.WAITING
            else:
                undone.append(row.selector)
                self.endings[place] = (
                    _UNCHANGED[account.standing] if account else ImportEnding.UNKNOWN
                )
        if undone:
            ours.filter(selector__in=undone).delete()

    def _get(self, wanted: list[tuple[Any, Address]]) -> list[Account | None]:
        if accounts.defines(self._store, "get", "get_each"):
            found: list[Account | None] = self._store.get_each(wanted)
            return found
        return [self._store.get(*one) for one in wanted]

    @staticmethod
    def _row(entry: Entry, account: Account) -> Confirmation:
        values = fresh_columns(account.mailbox, entry.client, entry.language)
        if entry.requested_at is not None:
            values["requested_at"] = entry.requested_at
        return Confirmation(account=account.user, fingerprint=account.mailbox.fingerprint, **values)


def _named(entry: Entry, candidates: Iterable[Account]) -> list[Account]:
    """Return the candidates that the entry names; its user name counts if there are several."""
    exact = exactly(entry.identity, list(candidates))
    if len(exact) > 1 and entry.username:
        return [a for a in exact if addresses.canonical_identity(a.username) == entry.username]
    return exact


def _lock(pks: set[Any]) -> None:
    """Lock the users, so that none is deleted or confirmed until the transaction ends."""
    model = get_user_model()
    users = model._default_manager.using(router.db_for_write(model)).filter(pk__in=pks)
    list(users.select_for_update().order_by("pk").values_list("pk"))


def _states(some: Iterable[Account]) -> dict[str, set[str]]:
    """Return the fingerprints with a confirmation, in any state, of each account that has one."""
    rows = Confirmation.objects.filter(account__in={account.user.pk for account in some})
    found: dict[str, set[str]] = {}
    for pk, fingerprint in rows.values_list("account_id", "fingerprint"):
        found.setdefault(str(pk), set()).add(fingerprint)
    return found


def _may_start(account: Account, states: dict[str, set[str]]) -> bool:
    """Return whether a new confirmation may make ``account`` wait.

    An account that ever had one is confirmed or blocked here because of it, unless it is pending.
    """
    pk, fingerprint = pair_of(account)
    if account.standing is Standing.PENDING:
        return fingerprint not in states.get(pk, ())
    return pk not in states


def _unchanged(standing: Standing, account: Account) -> ImportEnding:
    if standing is Standing.BLOCKED:
        waits = account.standing is Standing.PENDING
        return ImportEnding.CONFLICT if waits else ImportEnding.SKIPPED
    return _UNCHANGED[account.standing]
