"""Requests in the admin, found by the identity that was typed, with how each one ended."""

from collections.abc import Iterator

from django.contrib import admin
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from ..engine import records
from ..models import RequestRecord
from .base import ClientFilter, DialectFilter, RecordAdmin


@admin.register(RequestRecord)
class RequestRecordAdmin(RecordAdmin):
    """A list without the identities, of which only digests are stored."""

    list_display = ("asked_at", "dialect", "client", "result")
    list_filter = ("reason", DialectFilter, ClientFilter, "asked_at")
    list_select_related = ("delivery",)
    ordering = ("-asked_at",)
    unindexed = ("reason", "dialect", "client")
    search_help_text = _("Full address, user name or number, as it was typed")
    #: Django needs one for a search box; the search is by digest.
    search_fields = ("digest",)
    fields = ("asked_at", "dialect", "client", "result")
    readonly_fields = ("result",)

    def searches(
        self, rows: QuerySet[RequestRecord], term: str
    ) -> Iterator[QuerySet[RequestRecord]]:
        """Yield the requests with an identity, an address in any spelling."""
        yield rows & records.of(term)

    @admin.display(description=_("result"))
    def result(self, row: RequestRecord) -> str | None:
        """Return why the request was refused, or the state of its delivery, with a link."""
        text = records.describe(row)
        if row.delivery is None:
            return text or None
        name = "admin:resend_confirmation_delivery_change"
        url = reverse(name, args=[row.delivery.pk], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, text)
