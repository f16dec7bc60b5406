"""Queries of users, also for many identities at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import connections, router
from django.db.models import F, FilteredRelation, Q, QuerySet, Value
from django.db.models.functions import Collate, Upper
from django.db.models.lookups import In

from .. import addresses
from ..account_store import CooldownFacts
from ..addresses import Address

#: Number of users read at once for a bulk resend.
_USERS_AT_ONCE = 2000


def _ours(relation: str) -> dict[str, F]:
    """Return the columns of the confirmations that are joined as ``relation``."""
    paths = {name: name for name in ("id", "address", "state", "requested_at")}
    paths |= {name: f"cooldown__{name}" for name in CooldownFacts._fields}
    return {f"rc_{name}": F(f"{relation}__{path}") for name, path in paths.items()}


_OURS = _ours("resend_confirmations")


def with_confirmations(users: Any, bounds: Mapping[str, Any]) -> QuerySet[Any]:
    """Join the confirmations and their cooldowns, for users whose keys are within ``bounds``."""
    if not bounds:
        return cast("QuerySet[Any]", users.annotate(**_OURS))
    theirs = within("resend_confirmations__account", bounds)
    related = FilteredRelation("resend_confirmations", condition=theirs)
    return cast("QuerySet[Any]", users.annotate(rc=related).annotate(**_ours("rc")))


def conditions(identities: Iterable[Address | str]) -> list[Q]:
    """Return the conditions of the queries for the users with these addresses and user names.

    The first one is for confirmations. The database compares addresses as ``iexact`` does, in the
    form for which a site has an index.
    """
    model: Any = get_user_model()
    known = list(identities)
    parsed = [each for each in known if isinstance(each, Address)]
    names = [name for each in known if isinstance(each, str) for name in _value_of(each)]
    found = [Q(resend_confirmations__fingerprint__in={each.fingerprint for each in parsed})]
    if parsed:
        spellings = {text for each in parsed for text in each.spellings}
        found.append(_has_address(model.get_email_field_name(), sorted(spellings)))
    if names:
        found.append(Q(**{f"{model.USERNAME_FIELD}__in": names}))
    return found if parsed else found[1:]


def _value_of(name: str) -> list[Any]:
    """Return the value of a user name, or nothing if the column cannot hold it."""
    model: Any = get_user_model()
    try:
        return [model._meta.get_field(model.USERNAME_FIELD).to_python(name)]
    except ValidationError:
        return []


def _has_address(column: str, spellings: Sequence[str]) -> Q:
    # A list of expressions takes long to compile, so the database gets plain values if it can.
    vendor = connections[router.db_for_write(get_user_model())].vendor
    if vendor == "sqlite":
        return Q(In(Collate(column, "NOCASE"), spellings))
    if vendor == "mysql":
        return Q(**{f"{column}__in": spellings})
    return Q(In(Upper(column), [Upper(Value(each)) for each in spellings]))


def grouped(identities: Sequence[Address | str], accounts: Iterable[Any]) -> list[list[Any]]:
    """Return those of ``accounts`` that each identity names, in their order."""
    of: dict[Address | str, list[Any]] = {each: [] for each in identities}
    for account in accounts:
        if account.parsed in of:
            of[account.parsed].append(account)
        name = addresses.canonical_identity(account.username)
        if name in of:
            of[name].append(account)
    return [of[each] for each in identities]


def within(column: str, bounds: Mapping[str, Any]) -> Q:
    """Return the condition that ``column`` is within ``bounds``, the values of lookups."""
    return Q(**{f"{column}__{lookup}": value for lookup, value in bounds.items()})


def first_keys(users: QuerySet[Any]) -> dict[str, Any]:
    """Return the bounds of the keys of the first ``users``, or nothing if there are none."""
    pks = list(users.order_by("pk").distinct().values_list("pk", flat=True)[:_USERS_AT_ONCE])
    return {"gte": pks[0], "lte": pks[-1]} if pks else {}


def all_users() -> QuerySet[Any]:
    """Return all users, from the database that they are written to: a replica may lag behind."""
    model = get_user_model()
    return model._default_manager.using(router.db_for_write(model))


def user_with_address(account: Any) -> QuerySet[Any]:
    """Return the user of ``account``, if the user still has its address."""
    model: Any = get_user_model()
    return all_users().filter(pk=account.user.pk, **{model.get_email_field_name(): account.address})
