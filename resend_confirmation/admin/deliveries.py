"""Deliveries in the admin: messages, and quiet requests that led to none."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..addresses import Address
from ..models import Confirmation, Delivery
from . import cells, long_lists
from .base import ClientFilter, DialectFilter, ReasonFilter, RecordAdmin


@admin.register(Delivery)
class DeliveryAdmin(RecordAdmin):
    """A list without tokens, payloads and the identities that callers typed."""

    list_display = (
        cells.times(Delivery, "asked_at"),
        "address",
        "dialect",
        "client",
        cells.states(Delivery),
        cells.times(Delivery, "sent_at"),
    )
    list_filter = (
        "state",
        ("reason", ReasonFilter),
        DialectFilter,
        ClientFilter,
        "asked_at",
        "sent_at",
    )
    list_select_related = ("confirmation",)
    ordering = ("-asked_at",)
    #: The index of due deliveries.
    ordering_in_state = ("-not_before",)
    unindexed = ("reason", "dialect", "client", "sent_at")
    search_help_text = _("Full address, Message-ID or the provider's id")
    #: Django needs one for a search box.
    search_fields = ("provider_id",)
    fields = (
        "confirmation",
        "dialect",
        "client",
        "redirect",
        "language",
        "state",
        "reason",
        "attempts",
        "doubts",
        "asked_at",
        "not_before",
        "sent_at",
        "ended_at",
        "link_expires_at",
        "error_class",
        "error_code",
        "error_text",
        "message_id",
        "provider_id",
    )

    def get_paginator(
        self,
        request: HttpRequest,
        queryset: QuerySet[Delivery],
        per_page: int,
        *args: Any,
        **kw: Any,
    ) -> Paginator:  # type: ignore[type-arg]
        is_in_state = self.get_ordering(request) is self.ordering_in_state
        pages = long_lists.ByPriority if is_in_state else self.paginator
        return pages(queryset, per_page, *args, **kw)

    def searches(self, rows: QuerySet[Delivery], term: str) -> Iterator[QuerySet[Delivery]]:
        """Yield the rows of an address in any spelling, of a provider's id, and of a Message-ID.

        The Message-ID has no index, so only new messages are found by it.
        """
        if address := Address.parse(term):
            of_address = Confirmation.objects.filter(fingerprint=address.fingerprint)
            yield rows.filter(confirmation__in=list(of_address.values_list("pk", flat=True)))
        yield rows.filter(provider_id=term)
        spellings = [term, f"<{term}>"]
        yield rows.filter(message_id__in=spellings, pk__gt=long_lists.last_old_key(Delivery))

    @admin.display(description=_("address"))
    def address(self, delivery: Delivery) -> str | None:
        """Return the account's address; the caller's input is never shown."""
        return delivery.confirmation.address if delivery.confirmation else None
