"""Suppressions in the admin: looked up by typing an address, lifted by deleting, added by hand."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from .. import clock
from ..addresses import MAX_LENGTH, Address
from ..models import Suppression
from . import keeping
from .searching import is_offered

if TYPE_CHECKING:
    SuppressionBase = admin.ModelAdmin[Suppression]
    SuppressionForm = forms.ModelForm[Suppression]
else:
    SuppressionBase, SuppressionForm = admin.ModelAdmin, forms.ModelForm


class ByHand(SuppressionForm):
    """A suppression for an address, of which only the digest is kept."""

    address = forms.CharField(label=_("address"), max_length=MAX_LENGTH)

    class Meta:
        model = Suppression
        fields = ("detail",)

    def clean_address(self) -> str:
        """Exactly one address that is not suppressed yet."""
        typed: str = self.cleaned_data["address"]
        address = Address.parse(typed)
        if address is None:
            raise forms.ValidationError(_("This is not an e-mail address."))
        if Suppression.of(address):
            raise forms.ValidationError(_("This address is suppressed already."))
        self.instance.digest = address.digest("suppression")
        self.instance.why = Suppression.Why.BY_HAND
        self.instance.since = clock.now()
        return typed


@admin.register(Suppression)
class SuppressionAdmin(SuppressionBase):
    """Deleting a row lifts the suppression; nothing else can be changed."""

    list_display = ("why", "since", "detail")
    list_filter = ("why", "since")
    ordering = ("-since",)
    show_full_result_count = False
    search_help_text = _("The whole address")
    #: A search box needs one; the search is by digest alone.
    search_fields = ("digest",)

    def get_urls(self) -> list[URLPattern]:
        """The pages, whose errors quote no rows."""
        return keeping.discreet(super().get_urls())

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """It is there, or it is lifted."""
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The filters and the key: a look-up may ask for what no page shows."""
        return is_offered(self, request, lookup)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """An address is only ever typed."""
        return ("why", "since", "detail") if obj else ("address", "detail")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[SuppressionForm]:
        """The form to add one."""
        if obj is None:
            kwargs["form"] = ByHand
        return super().get_form(request, obj, change, **kwargs)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        """The suppression of exactly the address that was typed."""
        if not search_term:
            return queryset, False
        if (address := Address.parse(search_term)) is None:
            return queryset.none(), False
        return queryset.filter(digest__in=address.digests("suppression")), False
