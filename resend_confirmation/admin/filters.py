"""Filters that know their choices from the configuration, so that no table is read for them."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .. import clients
from ..dialects.base import DialectView

#: Stands for rows that name none; an empty value would mean 'all'.
NONE = "-"


class NameFilter(admin.SimpleListFilter):
    """A column of names; subclasses say where the names come from."""

    def names(self) -> list[str]:
        """The names to choose from."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The names, and 'none'."""
        return [*((name, name) for name in self.names()), (NONE, _("none"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows with the chosen name; all of them for a name that is not offered."""
        value = self.value()
        if value not in {NONE, *self.names()}:
            return queryset
        return queryset.filter(**{self.parameter_name or "": "" if value == NONE else value})


class ReasonFilter(admin.ChoicesFieldListFilter):
    """By reason. The empty one has a text here, since a link needs one."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return the reasons, and 'none'."""
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or _("none")}


class ClientFilter(NameFilter):
    """By client."""

    title = _("client")
    parameter_name = "client"

    def names(self) -> list[str]:
        """The clients in force."""
        return [client.name for client in clients.registry().clients]


class DialectFilter(NameFilter):
    """By dialect."""

    title = _("dialect")
    parameter_name = "dialect"

    def names(self) -> list[str]:
        """The dialects that the site mounts."""
        return sorted(DialectView.by_name)
