"""The deliveries of one confirmation, on its page."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import Confirmation, Delivery

if TYPE_CHECKING:
    DeliveryInline = admin.TabularInline[Delivery, Confirmation]
    DeliveryFormSet = BaseInlineFormSet[Delivery, Confirmation, Any]
else:
    DeliveryInline, DeliveryFormSet = admin.TabularInline, BaseInlineFormSet

#: Deliveries shown with a confirmation; the list of deliveries has them all.
SHOWN = 50


class NewestFormSet(DeliveryFormSet):
    """The newest deliveries only: an address may have been asked for a thousand times."""

    def get_queryset(self) -> QuerySet[Delivery]:
        """The first of what the inline orders."""
        if not hasattr(self, "_newest"):
            self._newest = super().get_queryset()[:SHOWN]
        return self._newest


class History(DeliveryInline):
    """What was sent for a confirmation; without tokens, payloads and what callers typed."""

    model = Delivery
    formset = NewestFormSet
    verbose_name_plural = _("newest deliveries")
    ordering = ("-asked_at", "-pk")
    extra = 0
    can_delete = False
    show_change_link = True
    fields = (
        "asked_at",
        "state",
        "reason",
        "attempts",
        "dialect",
        "client",
        "sent_at",
        "ended_at",
        "error_class",
        "error_code",
        "message_id",
        "provider_id",
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody writes history."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody rewrites history."""
        return False
