"""The deliveries of a confirmation, on its page."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import Delivery
from . import cells

#: Deliveries shown with a confirmation; the list of deliveries has them all.
SHOWN = 50


class NewestFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """The newest deliveries only, since a confirmation may have thousands."""

    def get_queryset(self) -> QuerySet[Delivery]:
        if not hasattr(self, "_newest"):
            self._newest = super().get_queryset()[:SHOWN]
        return self._newest


class History(admin.TabularInline):  # type: ignore[type-arg]
    """Deliveries of a confirmation, without tokens, payloads and what callers typed."""

    model = Delivery
    formset = NewestFormSet
    verbose_name_plural = _("newest deliveries")
    ordering = ("-asked_at", "-pk")
    extra = 0
    can_delete = False
    show_change_link = True
    fields: ClassVar[Any] = (
        cells.times(Delivery, "asked_at"),
        cells.states(Delivery),
        "attempts",
        "dialect",
        "client",
        cells.times(Delivery, "sent_at"),
        cells.times(Delivery, "ended_at"),
        "message_id",
        "provider_id",
    )
    readonly_fields: ClassVar[Any] = fields

    # Read-only.
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
