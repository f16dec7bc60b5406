"""Confirmations in the admin, with the actions resend, withdraw, confirm and reopen."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.auth import get_permission_codename, get_user_model
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import database
from ..addresses import Address
from ..engine import selections
from ..models import Confirmation
from ..outcomes import ConfirmationState
from . import actions, cells, explanations, long_lists, overview, preview, question
from .actions import Done
from .base import ClientFilter, RecordAdmin, date
from .history import History

Confirmations = QuerySet[Confirmation]

#: Rows that an action processes in its request; couriers process larger selections.
AT_ONCE = 100


@admin.register(Confirmation)
class ConfirmationAdmin(RecordAdmin):
    """A list that stays fast with millions of rows, and read-only pages."""

    list_display = (
        "address",
        "account",
        "client",
        cells.states(Confirmation),
        cells.times(Confirmation, "requested_at"),
        cells.last_message,
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
        Case(*(When(state=state, then=Value(n)) for n, state in enumerate(long_lists.STATES))),
        "-requested_at",
    )
    ordering_in_state = ("-requested_at",)
    unindexed = ("client", "last_delivery_state", "last_sent_at", "disowned_at")
    search_help_text = _("Full address or user name")
    #: Django needs one for a search box.
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
    actions = ("resend", explanations.lift_and_resend, "withdraw", "confirm", "reopen")

    def get_urls(self) -> list[URLPattern]:
        return [*overview.urls(self), *preview.urls(self), *super().get_urls()]

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return self._has_permission(request, "resend")

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        return self._has_permission(request, "withdraw")

    def has_confirm_permission(self, request: HttpRequest) -> bool:
        return self._has_permission(request, "confirm")

    def has_lift_and_resend_permission(self, request: HttpRequest) -> bool:
        can_lift = request.user.has_perm(f"{self.opts.app_label}.delete_suppression")
        return can_lift and self.has_resend_permission(request)

    def has_reopen_permission(self, request: HttpRequest) -> bool:
        return self._has_permission(request, "reopen")

    def _has_permission(self, request: HttpRequest, action: str) -> bool:
        codename = get_permission_codename(action, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def get_queryset(self, request: HttpRequest) -> Confirmations:
        rows: Confirmations = super().get_queryset(request)
        has_time = any(name.startswith("requested_at") for name in request.GET)
        # The index on the time begins with the state.
        return rows.filter(state__in=long_lists.STATES) if has_time else rows

    def get_paginator(
        self, request: HttpRequest, queryset: Confirmations, per_page: int, *args: Any, **kw: Any
    ) -> Paginator:  # type: ignore[type-arg]
        # The page of a row's history has a paginator too.
        is_list = queryset.model is self.model and not request.GET.get(SEARCH_VAR)
        is_by_state = is_list and self.get_ordering(request) is self.ordering
        pages = long_lists.ByState if is_by_state else self.paginator
        return pages(queryset, per_page, *args, **kw)

    def searches(self, rows: Confirmations, term: str) -> Iterator[Confirmations]:
        """Yield the rows of an address in any spelling, of a user name, and of accounts' addresses.

        Databases differ in the letters that they treat as equal; fingerprints do not.
        """
        address = Address.parse(term)
        if address is not None:
            yield rows.filter(fingerprint=address.fingerprint)
        model: Any = get_user_model()
        name, email = model.USERNAME_FIELD, model.get_email_field_name()
        with suppress(ValidationError):
            yield rows.filter(**{f"account__{name}": model._meta.get_field(name).to_python(term)})
        columns = {field.name for field in model._meta.get_fields()}
        if address is not None and email in columns - {name}:
            users = model._base_manager.using(rows.db).filter(**{f"{email}__iexact": term})
            yield rows.filter(account__in=list(users.values_list("pk", flat=True)))

    @admin.action(permissions=["resend"], description=_("Send the message again"))
    def resend(self, request: HttpRequest, queryset: Confirmations) -> HttpResponse | None:
        """Queue the message for pending accounts without a cooldown."""
        text = gettext("Queued: %(done)d. Cooling down: %(cooling)d. Not pending: %(other)d.")
        entry = gettext("Queued again.")
        return self._apply(request, queryset, actions.resend, entry, text)

    @admin.action(permissions=["withdraw"], description=_("Withdraw"))
    def withdraw(self, request: HttpRequest, queryset: Confirmations) -> HttpResponse | None:
        """Withdraw confirmations, which invalidates their links."""
        text = gettext("Withdrawn: %(done)d. Not pending: %(other)d.")
        asked = gettext("Withdraw the following confirmations? Their links will no longer work.")
        return self._ask(request, queryset, asked, actions.withdraw, gettext("Withdrawn."), text)

    @admin.action(permissions=["confirm"], description=_("Confirm by hand"))
    def confirm(self, request: HttpRequest, queryset: Confirmations) -> HttpResponse | None:
        """Confirm accounts without a link."""
        text = gettext("Confirmed: %(done)d. Not pending: %(other)d.")
        asked = gettext("Confirm the following addresses, without proof that they are right?")
        entry = gettext("Confirmed by hand.")
        return self._ask(request, queryset, asked, actions.confirm, entry, text)

    @admin.action(permissions=["reopen"], description=_("Open again"))
    def reopen(self, request: HttpRequest, queryset: Confirmations) -> HttpResponse | None:
        """Make confirmations pending again that staff withdrew or confirmed by hand."""
        asked = gettext("Make the following confirmations pending again? They need a new message.")
        text = gettext("Opened again: %(done)d. Pending, or confirmed by a link: %(other)d.")
        return self._ask(request, queryset, asked, actions.reopen, gettext("Opened again."), text)

    def _ask(
        self,
        request: HttpRequest,
        queryset: Confirmations,
        asked: str,
        act: Callable[[Confirmation], Done],
        entry: str,
        text: str,
    ) -> HttpResponse | None:
        """Show the question; apply ``act`` once it was answered, and log the reason too."""
        answer = question.ask(self, request, queryset, asked)
        if isinstance(answer, HttpResponse):
            return answer
        entry = f"{entry} {answer.reason}".strip()
        return self._apply(request, answer.queryset, act, entry, text)

    def _apply(
        self,
        request: HttpRequest,
        queryset: Confirmations,
        act: Callable[[Confirmation], Done],
        entry: str,
        text: str,
    ) -> HttpResponse | None:
        """Apply ``act`` to each row, log the successes, and report the counts.

        A large selection is left to the couriers. "All" of a long list are the rows that the list
        has, not those that it leaves out.
        """
        keys = actions.keys(queryset)
        if len(keys) > AT_ONCE:
            return self._begin(request, act, keys, entry)
        counts = dict.fromkeys((done.value for done in Done), 0)
        suppressed: list[datetime] = []
        for confirmation in queryset.filter(pk__in=keys):
            done = self._one(request, confirmation, act, entry)
            counts[done.value] += 1
            if done is Done.SUPPRESSED:
                suppressed = sorted([*suppressed, *actions.suppressed_since(confirmation)])[:1]
        complete = counts[Done.YES.value] == sum(counts.values())
        self.message_user(
            request, text % counts, messages.SUCCESS if complete else messages.WARNING
        )
        for refusal in actions.refusals(counts):
            self.message_user(request, refusal, messages.WARNING)
        if suppressed:
            facts = {"count": counts[Done.SUPPRESSED.value], "since": date(suppressed[0])}
            text = gettext("Suppressed: %(count)d (the first since %(since)s).")
            self.message_user(request, text % facts, messages.WARNING)
        return self._back(request)

    def _begin(
        self,
        request: HttpRequest,
        act: Callable[[Confirmation], Done],
        keys: list[int],
        entry: str,
    ) -> HttpResponse | None:
        action = actions.IN_RUNS.get(act)
        if action is None:
            text = gettext("Select at most %(count)d confirmations for this action.")
            self.message_user(request, text % {"count": AT_ONCE}, messages.ERROR)
            return self._back(request)
        run = selections.begin(action, keys, user=request.user, entry=entry)
        text = gettext("Selected: %(count)d. A courier processes them in the bulk run “%(run)s”.")
        self.message_user(request, text % {"count": len(keys), "run": run})
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

    def _buttons(self, confirmation: Confirmation) -> dict[str, Any]:
        """Return the actions that are possible in the state of ``confirmation``."""
        if confirmation.state == ConfirmationState.PENDING:
            return {"resend": self.resend, "withdraw": self.withdraw, "confirm": self.confirm}
        return {"reopen": self.reopen} if actions.may_open(confirmation) else {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Render the page, with a button for each permitted action."""
        confirmation: Confirmation = context["original"]
        buttons = [
            (name, action.short_description)
            for name, action in self._buttons(confirmation).items()
            if self._has_permission(request, name)
        ]
        context |= explanations.context(request, self, confirmation, buttons)
        context["action_checkbox_name"] = ACTION_CHECKBOX_NAME
        return super().render_change_form(request, context, *args, **kwargs)
