"""Deliveries in the admin: messages, and quiet requests that led to none."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from ..models import Delivery
from .base import ClientFilter, DialectFilter, ReasonFilter, RecordAdmin


@admin.register(Delivery)
class DeliveryAdmin(RecordAdmin):
    """A list without tokens, payloads and the identities that callers typed."""

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
    fingerprint = "confirmation__fingerprint"
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

    @admin.display(description=_("address"), ordering="confirmation__address")
    def address(self, delivery: Delivery) -> str | None:
        """Return the account's address; the caller's input is never shown."""
        return delivery.confirmation.address if delivery.confirmation else None

    @admin.display(description=_("error"), ordering="error_class")
    def error(self, delivery: Delivery) -> str:
        return f"{delivery.error_class} {delivery.error_code}".strip()
