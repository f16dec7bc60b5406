"""Deliveries in the admin: messages and quiet asks, and what became of each."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from ..models import Delivery
from . import keeping, pausing
from .filters import ClientFilter, DialectFilter, ReasonFilter
from .searching import by_address, is_offered

if TYPE_CHECKING:
    DeliveryBase = admin.ModelAdmin[Delivery]
else:
    DeliveryBase = admin.ModelAdmin


@admin.register(Delivery)
class DeliveryAdmin(DeliveryBase):
    """To look at only; without tokens, payloads and what callers typed."""

    list_display = (
        "asked_at",
        "address",
        "dialect",
        "client",
        "state",
        "reason",
        "attempts",
        "sent_at",
        "error",
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
    show_full_result_count = False
    search_help_text = _("Address, Message-ID or the provider's id")
    search_fields = ("confirmation__address", "message_id", "provider_id")
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
        "message_id",
        "provider_id",
    )

    def get_urls(self) -> list[URLPattern]:
        """The pages, whose errors quote no rows."""
        return keeping.discreet(super().get_urls())

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """The list, with a warning above it when nothing is sent at present."""
        if request.method == "GET":
            pausing.warn(request)
        return super().changelist_view(request, extra_context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Deliveries come from asks."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What happened stays."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """With the account, and by ``prune``: the link of a row that is gone is dead."""
        if keeping.is_of_its_own(request, self.opts):
            return False
        return super().has_delete_permission(request, obj)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The filters and the key: a look-up may ask for what no page shows."""
        return is_offered(self, request, lookup)

    @admin.display(description=_("address"), ordering="confirmation__address")
    def address(self, delivery: Delivery) -> str | None:
        """Where it goes, once that is known; what the caller typed is nobody's business."""
        return delivery.confirmation.address if delivery.confirmation else None

    @admin.display(description=_("error"), ordering="error_class")
    def error(self, delivery: Delivery) -> str:
        """The error's class and code."""
        return f"{delivery.error_class} {delivery.error_code}".strip()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """Also the same address in another spelling."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        return found | by_address(queryset, "confirmation__fingerprint", search_term), may_repeat
