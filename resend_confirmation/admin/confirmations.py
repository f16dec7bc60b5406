"""Confirmations in the admin: who waits, what was sent, and three actions on it."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.contrib.auth import get_permission_codename, get_user_model
from django.db import router, transaction
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..engine.deadlocks import retried
from ..models import Confirmation
from ..outcomes import ConfirmationState
from . import acting, keeping, pausing
from .acting import Done
from .filters import ClientFilter
from .history import History
from .searching import by_address, is_offered

if TYPE_CHECKING:
    ConfirmationBase = admin.ModelAdmin[Confirmation]
    Confirmations = QuerySet[Confirmation]
else:
    ConfirmationBase, Confirmations = admin.ModelAdmin, QuerySet


@admin.register(Confirmation)
class ConfirmationAdmin(ConfirmationBase):
    """A list that holds with hundreds of thousands of rows, and a page to look at."""

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
    show_full_result_count = False
    search_help_text = _("Address or user name")
    #: A search box needs some; what is searched depends on the user model.
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
        """Confirmations begin with a sign-up."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What happened is changed by the actions alone."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """With the account alone: to a store, a row that is gone can mean 'confirmed'."""
        if keeping.is_of_its_own(request, self.opts):
            return False
        return super().has_delete_permission(request, obj)

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """For the action 'resend'."""
        return self._may(request, "resend")

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        """For the action 'withdraw'."""
        return self._may(request, "withdraw")

    def has_confirm_permission(self, request: HttpRequest) -> bool:
        """For the action 'confirm'."""
        return self._may(request, "confirm")

    def _may(self, request: HttpRequest, action: str) -> bool:
        codename = get_permission_codename(action, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The filters and the key: a look-up may ask for what no page shows."""
        return is_offered(self, request, lookup)

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """The confirmation's address, the account's user name, and the whole of its address.

        No page here shows the account's own address: a part of it must not find it.
        """
        model: Any = get_user_model()
        columns = {field.name for field in model._meta.get_fields()}
        name, email = model.USERNAME_FIELD, model.get_email_field_name()
        found = ["address", f"account__{name}"]
        return [*found, f"=account__{email}"] if email in columns - {name} else found

    def get_search_results(
        self, request: HttpRequest, queryset: Confirmations, search_term: str
    ) -> tuple[Confirmations, bool]:
        """Also the same address in another spelling."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        return found | by_address(queryset, "fingerprint", search_term), may_repeat

    @admin.action(permissions=["resend"], description=_("Send the message again"))
    def resend(self, request: HttpRequest, queryset: Confirmations) -> HttpResponse | None:
        """Queue the message where the account waits and no cooldown runs."""
        text = gettext("Queued: %(done)d. Cooling down: %(cooling)d. Not pending: %(other)d.")
        return self._each(request, queryset, acting.resend, gettext("Queued again."), text)

    @admin.action(permissions=["withdraw"], description=_("Withdraw"))
    def withdraw(self, request: HttpRequest, queryset: Confirmations) -> HttpResponse | None:
        """Stop waiting; every link is dead then."""
        text = gettext("Withdrawn: %(done)d. Not pending: %(other)d.")
        return self._each(request, queryset, acting.withdraw, gettext("Withdrawn."), text)

    @admin.action(permissions=["confirm"], description=_("Confirm by hand"))
    def confirm(self, request: HttpRequest, queryset: Confirmations) -> HttpResponse | None:
        """Confirm without a link."""
        text = gettext("Confirmed: %(done)d. Not pending: %(other)d.")
        return self._each(request, queryset, acting.confirm, gettext("Confirmed by hand."), text)

    def _each(
        self,
        request: HttpRequest,
        queryset: Confirmations,
        act: Callable[[Confirmation], Done],
        entry: str,
        text: str,
    ) -> HttpResponse | None:
        """Do it to each, with an entry in the log where it was done, and say how it went."""
        counts = dict.fromkeys((done.value for done in Done), 0)
        suppressed: list[datetime] = []
        for confirmation in acting.in_pieces(queryset):
            done = self._one(request, confirmation, act, entry)
            counts[done.value] += 1
            if done is Done.SUPPRESSED:
                suppressed = sorted([*suppressed, *acting.suppressed_since(confirmation)])[:1]
        complete = counts[Done.YES.value] == sum(counts.values())
        self.message_user(
            request, text % counts, messages.SUCCESS if complete else messages.WARNING
        )
        if suppressed:
            facts = {"count": counts[Done.SUPPRESSED.value], "since": pausing.date(suppressed[0])}
            told = gettext("Suppressed since %(since)s, so that no message follows: %(count)d.")
            self.message_user(request, told % facts, messages.WARNING)
        return self._back(request)

    @retried
    def _one(
        self,
        request: HttpRequest,
        confirmation: Confirmation,
        act: Callable[[Confirmation], Done],
        entry: str,
    ) -> Done:
        """In one transaction: nothing is done that the log does not know."""
        with transaction.atomic(using=router.db_for_write(Confirmation)):
            done = act(confirmation)
            if done is Done.YES:
                self.log_change(request, confirmation, entry)
        return done

    def _back(self, request: HttpRequest) -> HttpResponse | None:
        """To the page whose button was pressed; None is the list."""
        if "from_page" not in request.POST:
            return None
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        pk = quote(request.POST[ACTION_CHECKBOX_NAME])
        url = reverse(name, args=[pk], current_app=self.admin_site.name)
        return HttpResponseRedirect(url)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The page, with a button for each action that this person may take."""
        confirmation: Confirmation | None = context.get("original")
        if confirmation and confirmation.state == ConfirmationState.PENDING:
            actions = {"resend": self.resend, "withdraw": self.withdraw, "confirm": self.confirm}
            context["action_buttons"] = [
                (name, action.short_description)  # type: ignore[attr-defined]
                for name, action in actions.items()
                if self._may(request, name)
            ]
        context["action_checkbox_name"] = ACTION_CHECKBOX_NAME
        return super().render_change_form(request, context, *args, **kwargs)
