"""Accounts, and the store that keeps their state in our confirmations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import router
from django.db.models import Manager, Q, QuerySet
from django.utils.module_loading import import_string

from .. import conf, database, statements
from ..account_store import AccountStore, CooldownFacts
from ..addresses import Address
from ..outcomes import ConfirmationState, Standing
from .users import (
    all_users,
    conditions,
    first_keys,
    grouped,
    user_with_address,
    with_confirmations,
    within,
)


@dataclass(frozen=True, slots=True)
class Account:
    """One account with one of its addresses.

    ``user`` is an instance of the host's user model. ``confirmation_id`` and ``cooldown`` come
    from the same query. None means that the store found no row or did not look for one, and costs
    another statement. ``former_id`` is the confirmation of a former address, if the account is
    pending because of it and this address has none. ``parsed`` is the parsed ``address``, or None
    if it is not an address. A store may leave it out.
    """

    user: Any = field(repr=False)
    address: str = field(repr=False)
    username: str = field(repr=False)
    standing: Standing
    confirmation_id: int | None = None
    cooldown: CooldownFacts | None = None
    former_id: int | None = None
    parsed: Address | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.parsed is None:
            object.__setattr__(self, "parsed", Address.parse(self.address))

    @property
    def mailbox(self) -> Address:
        """The parsed address; raises ValueError if ``address`` is not one."""
        if self.parsed is None:
            raise ValueError("not an address")
        return self.parsed


#: A function of an identity that makes a query of users.
Part = Callable[[Any], QuerySet[Any]]


class ConfirmationStore:
    """Django's user model, with our Confirmation as the state.

    If the current address has no confirmation, the newest one of a former address decides, so that
    a change of address does not bypass the confirmation. An account without any confirmation
    counts as confirmed. A deactivated account is blocked.
    """

    #: True if saves that activate or deactivate a user change the confirmation.
    watches_saves = False

    def find(self, identity: Address | str) -> Sequence[Account]:
        """Read the users with that address, or else with that user name."""
        rows = [row for part in self._parts(identity) for row in self._read(part, identity)]
        return self._accounts(rows, identity if isinstance(identity, Address) else None)

    def find_stepwise(self, identity: Address | str) -> Iterator[Sequence[Account]]:
        """Yield the accounts found so far after each statement, those with a confirmation first.

        The fingerprint of a confirmation has an index on every site. It is exact for capitals
        beyond ASCII, composed letters and IDNA, for which a database's ``iexact`` is not.
        """
        address, rows = (identity if isinstance(identity, Address) else None), list[Any]()
        for part in self._parts(identity):
            rows += self._read(part, identity)
            yield self._accounts(rows, address)

    def find_each(self, identities: Sequence[Address | str]) -> list[list[Account]]:
        """Return the accounts that each identity names, in three statements at most."""
        rows = [row for query in self._of_each(identities) for row in query.order_by()]
        return grouped(identities, self._accounts(rows))

    def get(self, user_id: Any, address: Address) -> Account | None:
        return self.get_each([(user_id, address)])[0]

    def get_each(self, wanted: Sequence[tuple[Any, Address]]) -> list[Account | None]:
        """Return what ``get`` returns for each account and address, in one statement."""
        users = self._joined().filter(pk__in={pk for pk, _ in wanted})
        rows_of = {str(rows[0].pk): rows for rows in rows_of_users(users)}
        found = [(self._accounts(rows_of.get(str(pk), []), of), of) for pk, of in wanted]
        return [next((one for one in some if of.proves(one.parsed)), None) for some, of in found]

    def lock(self, user_id: Any) -> None:
        """Lock the user's row, if the database supports it."""
        email = get_user_model().get_email_field_name()
        # The address may be in the model's table or in a parent's, so both are locked.
        rows = all_users().select_for_update().filter(pk=user_id).order_by()
        list(rows.values_list("pk", email))

    def confirm(self, account: Account) -> bool:
        """Return whether the account still has the address; our Confirmation is the only mark."""
        return user_with_address(account).exists()

    def reopen(self, account: Account) -> bool:
        """Undo ``confirm``, of which our Confirmation is the only mark; or return False."""
        return True

    def pending(self) -> Iterator[Account]:
        """Yield the pending accounts, oldest first, read in pieces so that no cursor stays open."""
        bounds: dict[str, Any] = {}
        while piece := first_keys(all_users().filter(self._waits(**bounds))):
            users = self._joined(bounds=piece).filter(self._waits(**piece)).order_by("pk")
            for account in self._accounts(users):
                if account.standing is Standing.PENDING:
                    yield account
            bounds = {"gt": piece["lte"]}

    def standing(self, user: Any, state: str | None) -> Standing:
        """Return the standing of ``user``, given the state of its confirmation, if there is one."""
        if not user.is_active or state == ConfirmationState.WITHDRAWN:
            return Standing.BLOCKED
        return Standing.PENDING if state == ConfirmationState.PENDING else Standing.CONFIRMED

    def _waits(self, **bounds: Any) -> Q:
        """Match the users who may be pending, with keys within ``bounds``, the values of lookups.

        The joined rows are within the same bounds. A planner does not conclude this, and would read
        their table from its beginning for each piece.
        """
        own = within("pk", bounds) & within("resend_confirmations__account", bounds)
        return own & Q(resend_confirmations__state=ConfirmationState.PENDING)

    def _joined(
        self, users: QuerySet[Any] | None = None, bounds: Mapping[str, Any] = MappingProxyType({})
    ) -> QuerySet[Any]:
        """Join the confirmations. ``bounds`` are those of the users' keys, as in ``_waits``."""
        return with_confirmations(all_users() if users is None else users, bounds)

    def _parts(self, identity: Address | str) -> Sequence[Part]:
        """Return the functions that make the queries of ``find``."""
        is_address = isinstance(identity, Address)
        return [self._of_confirmations, self._of_users] if is_address else [self._of_users]

    def _of_each(self, identities: Sequence[Address | str]) -> list[QuerySet[Any]]:
        """Return the queries of ``find_each``."""
        return [self._joined(all_users().filter(each)) for each in conditions(identities)]

    def _of_confirmations(self, address: Any) -> QuerySet[Any]:
        # The annotations read the confirmation that matches, since they follow the condition.
        users = all_users().filter(resend_confirmations__fingerprint=address.fingerprint)
        return self._joined(users)

    def _of_users(self, identity: Address | str) -> QuerySet[Any]:
        return self._joined().filter(self._matches(identity))

    def _read(self, part: Part, identity: Address | str) -> Sequence[Any]:
        if (
            not isinstance(identity, Address)
            or len(spellings := identity.spellings) > 1
            or not _is_plain(part)
        ):
            return list(part(identity).order_by())
        statement = database.statement(
            (type(self), get_user_model(), part.__name__),
            lambda on: statements.select(on, part(statements.ANY_ADDRESS).order_by()),
            router.db_for_write(get_user_model()),
        )
        return statement.read(spelling=spellings[0], fingerprint=identity.fingerprint)

    def _matches(self, identity: Address | str) -> Q:
        """Match addresses or user names, never both: a name must not reach another's account."""
        model: Any = get_user_model()
        if isinstance(identity, Address):
            lookup = f"{model.get_email_field_name()}__iexact"
            return reduce(or_, [Q(**{lookup: spelling}) for spelling in identity.spellings])
        name = model._meta.get_field(model.USERNAME_FIELD)
        try:
            return Q(**{model.USERNAME_FIELD: name.to_python(identity)})
        except ValidationError:
            # The column cannot hold such a value.
            return Q(pk__in=[])

    def _accounts(self, users: Any, asked: Address | None = None) -> list[Account]:
        return [self._account(rows, asked) for rows in rows_of_users(users)]

    def _account(self, rows: Sequence[Any], asked: Address | None) -> Account:
        user = rows[0]
        text = getattr(user, user.get_email_field_name()) or ""
        address = Address.parse(text, asked)
        ours = Ours.of(rows, address, [address])
        return ours.account(user, text, self.standing(user, ours.state), address)


def _is_plain(part: Any) -> bool:
    """Return whether a query of ``find`` depends on nothing but the address.

    A manager of the host may add conditions of the moment, such as the current tenant.
    """
    manager: Any = get_user_model()._default_manager
    return (
        part.__func__ in (ConfirmationStore._of_confirmations, ConfirmationStore._of_users)
        and type(part.__self__)._joined is ConfirmationStore._joined
        and type(part.__self__)._matches is ConfirmationStore._matches
        and type(manager).get_queryset is Manager.get_queryset
        and manager._queryset_class is QuerySet
    )


def rows_of_users(users: Any) -> list[list[Any]]:
    """Group rows by user, the oldest user first."""
    rows_of: dict[Any, list[Any]] = {}
    for row in users:
        rows_of.setdefault(row.pk, []).append(row)
    return [rows_of[pk] for pk in sorted(rows_of)]


class Ours(NamedTuple):
    """The confirmation of an address of one account, and the newest of a former address."""

    row: Any = None
    former: Any = None

    @classmethod
    def of(
        cls, rows: Sequence[Any], address: Address | None, held: Sequence[Address | None]
    ) -> "Ours":
        found, former = None, []
        for row in {row.rc_id: row for row in rows if row.rc_id is not None}.values():
            went_to = Address.parse(row.rc_address, *held)
            if went_to is not None and found is None and went_to.proves(address):
                found = row
            elif went_to is None or not any(map(went_to.proves, held)):
                former.append(row)
        newest = max(former, key=lambda row: (row.rc_requested_at, row.rc_id), default=None)
        return cls(found, newest)

    @property
    def state(self) -> str | None:
        """The state of the address's confirmation, else of the newest former one."""
        counts = self.row or self.former
        return str(counts.rc_state) if counts else None

    def account(
        self, user: Any, address: str, standing: Standing, parsed: Address | None = None
    ) -> Account:
        row, waits = self.row, standing is Standing.PENDING
        # A pending account with an ended confirmation gets no id, so that the row is reopened.
        reusable = row and not (waits and row.rc_state != ConfirmationState.PENDING)
        return Account(
            user=user,
            address=address,
            username=str(user.get_username()),
            standing=standing,
            confirmation_id=row.rc_id if reusable else None,
            cooldown=_cooldown(row) if row and row.rc_last_at else None,
            former_id=self.former.rc_id if waits and self.former and not row else None,
            parsed=parsed,
        )


def _cooldown(row: Any) -> CooldownFacts:
    return CooldownFacts(**{name: getattr(row, f"rc_{name}") for name in CooldownFacts._fields})


def store() -> AccountStore:
    """Instantiate the store that ``ACCOUNTS`` names."""
    return cast("AccountStore", import_string(conf.get().ACCOUNTS)())


def defines(known: AccountStore, name: str, faster: str) -> bool:
    """Return whether the class of a store that defines ``name`` also defines ``faster``.

    A host may override ``name`` alone.
    """
    kind = next((each for each in type(known).__mro__ if name in vars(each)), type(known))
    return faster in vars(kind)


def of(user_id: Any, address: Address | str | None) -> Account | None:
    """Return the account as it is now, if a link to ``address`` proves its address."""
    known = Address.parse(address) if isinstance(address, str) else address
    account = store().get(user_id, known) if known else None
    return account if account and known and known.proves(account.parsed) else None
