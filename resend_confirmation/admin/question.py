"""The page that asks before an action, and the reason that staff give."""

from typing import Any, NamedTuple

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import redaction
from ..models import Confirmation
from . import actions

#: Rows that the page lists.
SHOWN = 100
#: Characters of a reason.
LONGEST = 200


class ReasonForm(forms.Form):
    """The answer to the question. The reason goes into the admin's log, without addresses."""

    reason = forms.CharField(
        label=capfirst(_("reason")),
        required=False,
        max_length=LONGEST,
        help_text=_("For the history. Addresses are left out."),
    )
    #: The newest row that the page counted: later ones are left out.
    newest = forms.IntegerField(widget=forms.HiddenInput)

    def clean_reason(self) -> str:
        return redaction.without_addresses(self.cleaned_data["reason"], "")


class Answer(NamedTuple):
    """The reason, and the rows to act on."""

    reason: str
    queryset: QuerySet[Confirmation]


def ask(
    admin: Any, request: HttpRequest, queryset: QuerySet[Confirmation], text: str
) -> Answer | TemplateResponse:
    """Return the answer to the question ``text``, or the page that asks it."""
    form = ReasonForm(request.POST) if "post" in request.POST else None
    if form and form.is_valid():
        rows = queryset.filter(pk__lte=form.cleaned_data["newest"])
        return Answer(form.cleaned_data["reason"], rows)
    keys = actions.keys(queryset)
    form = form or ReasonForm(initial={"newest": max(keys, default=0)})
    context = {
        **admin.admin_site.each_context(request),
        "title": gettext("Are you sure?"),
        "question": text,
        "count": len(keys),
        "rows": [(str(row), _page(admin, row.pk)) for row in queryset[: min(SHOWN, len(keys))]],
        "form": form,
        "kept": _kept(request),
        "back": _back(admin, request),
        "opts": admin.opts,
        "media": admin.media,
    }
    request.current_app = admin.admin_site.name
    return TemplateResponse(
        request, "admin/resend_confirmation/confirmation/question.html", context
    )


def _kept(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the fields of the first form, which the answer repeats."""
    names = ("action", "index", "select_across", "from_page", ACTION_CHECKBOX_NAME)
    return [(name, value) for name in names for value in request.POST.getlist(name)]


def _page(admin: Any, pk: Any) -> str:
    name = f"admin:{admin.opts.app_label}_{admin.opts.model_name}_change"
    return reverse(name, args=[quote(pk)], current_app=admin.admin_site.name)


def _back(admin: Any, request: HttpRequest) -> str:
    """Return the URL of the page with the button, or of the list."""
    if "from_page" in request.POST:
        return _page(admin, request.POST[ACTION_CHECKBOX_NAME])
    return request.get_full_path()
