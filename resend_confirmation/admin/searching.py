"""Searching by an address, which may be written in other letters than it is stored in."""

from typing import Any

from django.db.models import QuerySet

from .. import addresses


def by_address(queryset: QuerySet[Any], field: str, term: str) -> QuerySet[Any]:
    """The rows whose fingerprint, in ``field``, is that of the address ``term``; else none.

    Databases differ in which letters they take for equal, canonical forms do not.
    """
    if not addresses.is_address(term):
        return queryset.none()
    return queryset.filter(**{field: addresses.fingerprint(term)})
