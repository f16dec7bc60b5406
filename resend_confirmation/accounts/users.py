"""Queries of users, also for many identities at once."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import connections, router
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Collate, Upper
from django.db.models.lookups import In

from .. import addresses
from ..addresses import Address


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


def all_users() -> QuerySet[Any]:
    """Return all users, from the database that they are written to: a replica may lag behind."""
    model = get_user_model()
    return model._default_manager.using(router.db_for_write(model))


def user_with_address(account: Any) -> QuerySet[Any]:
    """Return the user of ``account``, if the user still has its address."""
    model: Any = get_user_model()
    return all_users().filter(pk=account.user.pk, **{model.get_email_field_name(): account.address})
