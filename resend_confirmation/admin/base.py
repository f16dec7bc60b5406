"""Base classes of the admin: lists of read-only rows, their filters, search and warnings."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import clients, failures
from ..courier import pause
from ..dialects.base import mounted_dialects
from ..limits import budget
from . import long_lists

#: Value for rows without a name; an empty value would mean 'all'.
NONE = "-"


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that cannot be edited, in pages whose errors contain no data of rows."""

    show_full_result_count = False
    paginator = long_lists.FirstRows

    class Media:
        css: ClassVar = {"all": ("resend_confirmation/admin.css",)}

    def get_urls(self) -> list[URLPattern]:
        pages: list[URLPattern] = super().get_urls()
        for page in pages:
            page.callback = failures.discreet(page.callback)
        return pages

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return whether the query string may have ``lookup``: a filter of the list, or the key.

        Django allows every look-up of every column, which would reveal hidden columns letter by
        letter.
        """
        return lookup in {"pk", "id", "pk__in", "id__in", *self._filter_parameters(request)}

    def _filter_parameters(self, request: HttpRequest) -> Iterator[str]:
        entries: Any = self.get_list_filter(request)
        for entry in entries:
            if not isinstance(entry, str | tuple):
                yield entry.parameter_name
                continue
            create: Any = admin.FieldListFilter.create
            name, kind = (entry, create) if isinstance(entry, str) else entry
            field = self.opts.get_field(name)
            yield from kind(
                field, request, {}, self.model, self, field_path=name
            ).expected_parameters()


class RecordList(ChangeList):
    """A list in the order of an index. Django sorts by any column that the query string names."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        self.params.pop(ORDER_VAR, None)
        return super().get_ordering(request, queryset)


class RecordAdmin(ReadOnlyAdmin):
    """Rows that the package alone adds and deletes, with a warning while sending is paused."""

    #: Sorting a long table by any other column would take seconds.
    sortable_by = ()
    #: Filters on columns without an index.
    unindexed: tuple[str, ...] = ()
    #: The order of the rows in one state.
    ordering_in_state: tuple[str, ...] = ()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        if request.method == "GET":
            warn_of_pause(request)
        page = super().changelist_view(request, extra_context)
        context = getattr(page, "context_data", None) or {}
        if "cl" in context and (limits := self._limits(request, context["cl"].result_count)):
            context["subtitle"] = " ".join(limits)
        return page

    def _limits(self, request: HttpRequest, count: int) -> list[str]:
        """Return the texts about rows that the list leaves out."""
        texts = []
        if self._is_of_recent(request) and long_lists.last_old_key(self.model) > 0:
            text = gettext("Only the newest %(count)d rows are searched by this filter.")
            texts.append(text % {"count": long_lists.RECENT})
        if count == long_lists.LISTED:
            text = gettext("Only the first %(count)d rows are listed.")
            texts.append(text % {"count": count})
        return texts

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return RecordList

    def get_ordering(self, request: HttpRequest) -> Any:
        """Return an order that an index has, together with the filters of ``request``."""
        if self._is_of_recent(request):
            return ("-pk",)
        return self.ordering_in_state if "state__exact" in request.GET else self.ordering

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if not self._is_of_recent(request):
            return rows
        return rows.filter(pk__gt=long_lists.last_old_key(self.model))

    def _is_of_recent(self, request: HttpRequest) -> bool:
        return any(name.startswith(self.unindexed) for name in request.GET)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False on this model's pages; rows are deleted with their account.

        Django's page that deletes an account asks the same permission for its related rows.
        """
        match = request.resolver_match
        name = (match.url_name if match else None) or ""
        if name.startswith(f"{self.opts.app_label}_{self.opts.model_name}_"):
            return False
        return super().has_delete_permission(request, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that the first successful search finds. Each one uses an index."""
        if not search_term:
            return queryset, False
        found = (rows for rows in self.searches(queryset, search_term) if rows.exists())
        return next(found, queryset.none()), False

    def searches(self, rows: QuerySet[Any], term: str) -> Iterator[QuerySet[Any]]:
        """Yield the rows that are found by ``term``, for each column that is searched."""
        raise NotImplementedError


def warn_of_pause(request: HttpRequest) -> None:
    """Add a warning to the page if sending is paused, or a note if resends are."""
    level, text = pause_text()
    if text:
        messages.add_message(request, level, text)


def pause_text() -> tuple[int, str]:
    """Return the level and the text of the message about a pause; an empty text without one."""
    why, hour = pause.current(), budget.current()
    if why is None:
        if hour and hour.until and hour.is_rest_reserved:
            text = gettext(
                "Resends are paused until %(until)s: the rest of the hourly budget is reserved "
                "for first messages."
            )
            return messages.INFO, text % {"until": date(hour.until)}
        return messages.INFO, ""
    facts = {
        "until": date(why.until),
        "error": f"{why.error_class} {why.error_code}".strip(),
    }
    if why.reason == "budget":
        text = gettext("Sending is paused until %(until)s: the hourly budget is used up.")
    else:
        text = gettext(
            "Sending is paused until %(until)s: the e-mail settings do not work (%(error)s)."
        )
    return messages.WARNING, text % facts


def date(moment: datetime) -> str:
    """Return ``moment`` in the format and time zone of the reader."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return date_format(local, "DATETIME_FORMAT")


class NameFilter(admin.SimpleListFilter):
    """A filter on a column of names. The choices come from the settings, without a query."""

    def names(self) -> list[str]:
        """Return the names to choose from."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*((name, name) for name in self.names()), (NONE, _("none"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value not in {NONE, *self.names()}:
            return queryset
        return queryset.filter(**{self.parameter_name or "": "" if value == NONE else value})


class ClientFilter(NameFilter):
    title = _("client")
    parameter_name = "client"

    def names(self) -> list[str]:
        return [client.name for client in clients.registry().clients]


class DialectFilter(NameFilter):
    title = _("dialect")
    parameter_name = "dialect"

    def names(self) -> list[str]:
        return sorted(mounted_dialects())


class ReasonFilter(admin.ChoicesFieldListFilter):
    """A filter by reason. Rows without a reason need a text, since a link needs one."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or _("none")}
