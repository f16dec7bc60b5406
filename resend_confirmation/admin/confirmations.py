"""Confirmations in the admin, with the actions resend, withdraw and confirm."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.contrib.auth import get_permission_codename, get_user_model
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import database
from ..models import Confirmation
from ..outcomes import ConfirmationState
from . import actions
from .actions import Done
from .base import ClientFilter, RecordAdmin, date
from .history import History

Confirmations = QuerySet[Confirmation]


@admin.register(Confirmation)
class ConfirmationAdmin(RecordAdmin):
    """A list that stays fast with hundreds of thousands of rows, and read-only pages."""

    list_display = (
        "address",
        "account",
        "client",
        "state",
        "requested_at",
        "sends",
        "last_sent_at",
        "last_delivery_state",
    )
    list_filter = (
        "state",
        ClientFilter,
        "last_delivery_state",
        "requested_at",
        "last_sent_at",
        "disowned_at",
    )
    list_select_related = ("account",)
    ordering = (
        Case(When(state=ConfirmationState.PENDING, then=Value(0)), default=Value(1)),
        "-requested_at",
    )
    fingerprint = "fingerprint"
    search_help_text = _("Address or user name")
    #: Django needs some for a search box; the real ones depend on the user model.
    search_fields = ("address",)
    fields = (
        "address",
        "account",
        "client",
        "state",
        "language",
        "time_zone",
        "requested_at",
        "confirmed_at",
        "disowned_at",
        "expires_at",
        "sends",
        "last_sent_at",
        "last_delivery_state",
    )
    inlines = (History,)
    actions = ("resend", "withdraw", "confirm")

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return self._has_permission(request, "resend")

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        return self._has_permission(request, "withdraw")

    def has_confirm_permission(self, request: HttpRequest) -> bool:
        return self._has_permission(request, "confirm")

    def _has_permission(self, request: HttpRequest, action: str) -> bool:
        codename = get_permission_codename(action, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return the confirmation's address, the account's user name, and its exact address.

        No page here shows the account's address, so a part of it must not find it.
        """
        model: Any = get_user_model()
        columns = {field.name for field in model._meta.get_fields()}
        name, email = model.USERNAME_FIELD, model.get_email_field_name()
        found = ["address", f"account__{name}"]
        return [*found, f"=account__{email}"] if email in columns - {name} else found

    @admin.action(permissions=["resend"], description=_("Send the message again"))
    def resend(self, request: HttpRequest, queryset: Confirmations) -> HttpResponse | None:
        """Queue the message for pending accounts without a cooldown."""
        text = gettext("Queued: %(done)d. Cooling down: %(cooling)d. Not pending: %(other)d.")
        return self._apply(request, queryset, actions.resend, gettext("Queued again."), text)

    @admin.action(permissions=["withdraw"], description=_("Withdraw"))
    def withdraw(self, request: HttpRequest, queryset: Confirmations) -> HttpResponse | None:
        """Withdraw confirmations, which invalidates their links."""
        text = gettext("Withdrawn: %(done)d. Not pending: %(other)d.")
        return self._apply(request, queryset, actions.withdraw, gettext("Withdrawn."), text)

    @admin.action(permissions=["confirm"], description=_("Confirm by hand"))
    def confirm(self, request: HttpRequest, queryset: Confirmations) -> HttpResponse | None:
        """Confirm accounts without a link."""
        text = gettext("Confirmed: %(done)d. Not pending: %(other)d.")
        return self._apply(request, queryset, actions.confirm, gettext("Confirmed by hand."), text)

    def _apply(
        self,
        request: HttpRequest,
        queryset: Confirmations,
        act: Callable[[Confirmation], Done],
        entry: str,
        text: str,
    ) -> HttpResponse | None:
        """Apply ``act`` to each row, log the successes, and report the counts."""
        counts = dict.fromkeys((done.value for done in Done), 0)
        suppressed: list[datetime] = []
        for confirmation in actions.in_chunks(queryset):
            done = self._one(request, confirmation, act, entry)
            counts[done.value] += 1
            if done is Done.SUPPRESSED:
                suppressed = sorted([*suppressed, *actions.suppressed_since(confirmation)])[:1]
        complete = counts[Done.YES.value] == sum(counts.values())
        self.message_user(
            request, text % counts, messages.SUCCESS if complete else messages.WARNING
        )
        if suppressed:
            facts = {"count": counts[Done.SUPPRESSED.value], "since": date(suppressed[0])}
            text = gettext("Suppressed: %(count)d (the first since %(since)s).")
            self.message_user(request, text % facts, messages.WARNING)
        return self._back(request)

    @database.retry_on_deadlock
    def _one(
        self,
        request: HttpRequest,
        confirmation: Confirmation,
        act: Callable[[Confirmation], Done],
        entry: str,
    ) -> Done:
        """Apply ``act`` and log it in one transaction."""
        with database.atomic():
            done = act(confirmation)
            if done is Done.YES:
                self.log_change(request, confirmation, entry)
        return done

    def _back(self, request: HttpRequest) -> HttpResponse | None:
        """Redirect to the page with the button; None for the list."""
        if "from_page" not in request.POST:
            return None
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        pk = quote(request.POST[ACTION_CHECKBOX_NAME])
        url = reverse(name, args=[pk], current_app=self.admin_site.name)
        return HttpResponseRedirect(url)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Render the page, with a button for each permitted action."""
        confirmation: Confirmation | None = context.get("original")
        if confirmation and confirmation.state == ConfirmationState.PENDING:
            actions = {"resend": self.resend, "withdraw": self.withdraw, "confirm": self.confirm}
            context["action_buttons"] = [
                (name, action.short_description)  # type: ignore[attr-defined]
                for name, action in actions.items()
                if self._has_permission(request, name)
            ]
        context["action_checkbox_name"] = ACTION_CHECKBOX_NAME
        return super().render_change_form(request, context, *args, **kwargs)
