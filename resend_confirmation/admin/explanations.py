"""The sentence on a confirmation's page that says why nothing arrived, with a button."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import database
from ..engine.explanation import Remedy, explain
from ..engine.sentences import sentence
from ..engine.signup import account_of, moved_account_of
from ..limits import suppression
from ..models import Confirmation
from . import actions
from .actions import Done
from .base import date


def context(
    request: HttpRequest, model_admin: Any, row: Confirmation, buttons: list[tuple[str, Any]]
) -> dict[str, Any]:
    """Return the sentence for ``row``, the first permitted button that helps, and the others."""
    found = explain(row)
    helpful = {
        Remedy.LIFT: (lift_and_resend, model_admin.has_lift_and_resend_permission),
        Remedy.RESEND: (model_admin.resend, model_admin.has_resend_permission),
        Remedy.CONFIRM: (model_admin.confirm, model_admin.has_confirm_permission),
    }
    remedies: list[tuple[str, Any]] = [
        (remedy.value, action.short_description)
        for remedy in found.remedies
        for action, is_permitted in [helpful[remedy]]
        if is_permitted(request)
    ][:1]
    others = [button for button in buttons if button[0] not in dict(remedies)]
    return {
        "explanation": sentence(found, date),
        "remedies": remedies,
        "action_buttons": others,
    }


@admin.action(permissions=["lift_and_resend"], description=_("Lift the suppression and send again"))
def lift_and_resend(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[Confirmation]
) -> HttpResponse | None:
    """Lift the suppressions of pending accounts' addresses and queue the message."""
    text = gettext("Queued: %(done)d. Cooling down: %(cooling)d. Not pending: %(other)d.")
    entry = gettext("Suppression lifted, queued again.")
    response: HttpResponse | None = model_admin._apply(request, queryset, _lift, entry, text)
    return response


def _lift(confirmation: Confirmation) -> Done:
    """Lift the suppression and queue the message, or do neither."""
    account = account_of(confirmation) or moved_account_of(confirmation)
    with database.atomic():
        if account and account.parsed:
            suppression.rows(account.parsed).delete()
        done = actions.resend(confirmation)
        if done is not Done.YES:
            database.roll_back()
    return done
