"""Searching and filtering: by an address in any spelling, and by nothing that no page offers."""

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import FieldListFilter, ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from ..addresses import Address


def by_address(queryset: QuerySet[Any], field: str, term: str) -> QuerySet[Any]:
    """The rows whose fingerprint, in ``field``, is that of the address ``term``; else none.

    Databases differ in which letters they take for equal, canonical forms do not.
    """
    address = Address.parse(term)
    return queryset.filter(**{field: address.fingerprint}) if address else queryset.none()


def is_offered(admin: "ModelAdmin[Any]", request: HttpRequest, lookup: str) -> bool:
    """Return whether the query string may hold ``lookup``: the list's filters, and the key.

    Django allows every look-up of every column, so that whoever may look could learn hidden ones
    letter by letter.
    """
    return lookup in {"pk", "id", "pk__in", "id__in", *_parameters(admin, request)}


def _parameters(admin: "ModelAdmin[Any]", request: HttpRequest) -> Iterator[str]:
    entries: Any = admin.get_list_filter(request)
    for entry in entries:
        if not isinstance(entry, str | tuple):
            yield entry.parameter_name
            continue
        name, kind = (entry, FieldListFilter.create) if isinstance(entry, str) else entry
        field: Any = admin.opts.get_field(name)
        made: Any = kind(field, request, {}, admin.model, admin, field_path=name)
        yield from made.expected_parameters()
