"""Cells of lists: states as badges, times with their zone, and the newest message."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from ..models import Confirmation, Delivery
from ..outcomes import ConfirmationState, DeliveryState

#: The colours of states, as classes of the stylesheet. The others are grey.
KINDS: dict[str, str] = {
    ConfirmationState.PENDING: "wait",
    ConfirmationState.CONFIRMED: "good",
    DeliveryState.ASKED: "wait",
    DeliveryState.QUEUED: "wait",
    DeliveryState.SENDING: "wait",
    DeliveryState.SENT: "good",
    DeliveryState.DELIVERED: "good",
    DeliveryState.BOUNCED: "bad",
    DeliveryState.COMPLAINED: "bad",
    DeliveryState.FAILED: "bad",
    DeliveryState.UNKNOWN: "bad",
}

#: The newest message of a confirmation, by its state, and the time of the last one that was sent.
MESSAGES: dict[str, Any] = {
    "": _("No message was sent"),
    DeliveryState.SENT: _("Sent on %(at)s"),
    DeliveryState.DELIVERED: _("Sent on %(at)s, and delivered"),
    DeliveryState.BOUNCED: _("Sent on %(at)s, but it bounced"),
    DeliveryState.COMPLAINED: _("Sent on %(at)s, and reported as spam"),
    DeliveryState.FAILED: _("It could not be sent"),
    DeliveryState.ABANDONED: _("It was not sent, since it was no longer needed"),
    DeliveryState.SUPPRESSED: _("It was not sent, since the address is suppressed"),
    DeliveryState.SUPERSEDED: _("It was replaced by a newer message"),
    DeliveryState.UNKNOWN: _("It may have been sent"),
}

Column = Callable[[Any], str]


def badge(text: str, state: str) -> str:
    """Return ``text`` as a badge in the colour of ``state``."""
    return format_html('<span class="resend-badge {}">{}</span>', KINDS.get(state, ""), text)


def moment(at: datetime) -> str:
    """Return a time in the format of the reader, with its zone."""
    if timezone.is_naive(at):
        return date_format(at, "DATETIME_FORMAT")
    local = timezone.localtime(at)
    return f"{date_format(local, 'DATETIME_FORMAT')} {local:%Z}"


@admin.display(description=_("last delivery"))
def last_message(confirmation: Confirmation) -> str:
    """Return what became of the newest message of ``confirmation``, in one sentence."""
    state, at = confirmation.last_delivery_state, confirmation.last_sent_at
    facts = {"at": moment(at) if at else "-"}
    return str(MESSAGES.get(state, confirmation.get_last_delivery_state_display())) % facts


def states(model: type[Model]) -> Column:
    """Return the column of the states of ``model``, with the reasons of deliveries."""
    return _column(model, "state", _state)


def _state(row: Confirmation | Delivery) -> str:
    shown = badge(row.get_state_display(), row.state)
    if isinstance(row, Confirmation):
        return shown
    error = f"{row.error_class} {row.error_code}".strip()
    facts = [row.get_reason_display() if row.reason else "", f"({error})" if error else ""]
    text = " ".join(filter(None, facts))
    return format_html("{} {}", shown, text) if text else shown


def times(model: type[Model], name: str) -> Column:
    """Return the column of a time."""
    return _column(model, name, lambda row: moment(at) if (at := getattr(row, name)) else "-")


def _column(model: type[Model], name: str, show: Column) -> Column:
    title = model._meta.get_field(name).verbose_name  # type: ignore[union-attr]

    @admin.display(description=title, ordering=name)
    def column(row: Any) -> str:
        return show(row)

    # The class of the cells is made of it.
    column.__name__ = name
    return column
