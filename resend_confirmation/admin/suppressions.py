"""Suppressions in the admin: found by address, added by hand, lifted by deleting."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from ..addresses import MAX_LENGTH, Address
from ..limits import suppression
from ..models import Confirmation, Suppression
from ..outcomes import ConfirmationState
from . import cells
from .base import ReadOnlyAdmin

#: Confirmations that a page of the list shows: many accounts may share an address.
SHOWN = 1000


class SuppressionForm(forms.ModelForm):  # type: ignore[type-arg]
    """A suppression of an address. Only its digest is stored."""

    address = forms.CharField(label=_("address"), max_length=MAX_LENGTH)

    class Meta:
        model = Suppression
        fields = ("detail",)

    def clean_address(self) -> str:
        """Return the address if it is valid and not suppressed yet; only its digest is stored."""
        typed: str = self.cleaned_data["address"]
        address = Address.parse(typed)
        if address is None:
            raise forms.ValidationError(_("This is not an e-mail address."))
        if suppression.is_suppressed(address):
            raise forms.ValidationError(_("This address is already suppressed."))
        self.instance = suppression.new_row(address, Suppression.Why.BY_HAND)
        return typed


class SuppressionList(ChangeList):
    """Suppressions with the pending confirmations of their addresses, in one query for a page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not request.user.has_perm("resend_confirmation.view_confirmation"):
            return
        rows = list(self.result_list)
        of = {text: row for row in rows for text in suppression.fingerprints(row)}
        waiting = Confirmation.objects.filter(
            fingerprint__in=list(of), state=ConfirmationState.PENDING
        ).order_by("-requested_at", "-pk")
        for row in rows:
            row.waiting = []
        for confirmation in waiting[:SHOWN]:
            of[confirmation.fingerprint].waiting.append(confirmation)
        self.result_list = rows


@admin.register(Suppression)
class SuppressionAdmin(ReadOnlyAdmin):
    """Deleting a row lifts the suppression; nothing else can be changed."""

    list_display = ("why", cells.times(Suppression, "since"), "detail", "confirmation")
    list_filter = ("why", "since")
    ordering = ("-since",)
    search_help_text = _("Full address")
    #: Django needs one for a search box; the search is by digest.
    search_fields = ("digest",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return SuppressionList

    @admin.display(description=_("pending confirmation"))
    def confirmation(self, row: Suppression) -> str:
        """Return links to the pending confirmations of the address, as their list shows it."""
        found: list[Confirmation] = getattr(row, "waiting", [])
        name = "admin:resend_confirmation_confirmation_change"
        links = [
            (reverse(name, args=[each.pk], current_app=self.admin_site.name), each.address)
            for each in found
        ]
        return format_html_join(", ", '<a href="{}">{}</a>', links)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # The address is not stored.
        return ("why", "since", "detail") if obj else ("address", "detail")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> "type[forms.ModelForm[Any]]":
        if obj is None:
            kwargs["form"] = SuppressionForm
        return super().get_form(request, obj, change, **kwargs)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        """Return the suppression of the address ``search_term``, in any spelling."""
        if not search_term:
            return queryset, False
        if (address := Address.parse(search_term)) is None:
            return queryset.none(), False
        return queryset & suppression.rows(address), False
