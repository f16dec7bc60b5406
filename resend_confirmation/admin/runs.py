"""Bulk runs in the admin, with their progress."""

from functools import cache
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..engine import runs
from ..models import Run
from .base import RecordAdmin


@admin.register(Run)
class RunAdmin(RecordAdmin):
    """Bulk resends, and actions on many confirmations; the newest come first."""

    list_select_related = ("user",)
    ordering = ("-pk",)
    fields = (
        "name",
        "action",
        "user",
        "started_at",
        "cancelled_at",
        "size",
        "position",
        "done",
        "queued",
        "waiting",
    )
    readonly_fields = ("waiting",)

    def get_list_display(self, request: HttpRequest) -> Any:
        # One statement counts the messages of all rows.
        counts = cache(runs.waiting)

        @admin.display(description=_("messages waiting"))
        def waiting(run: Run) -> int | str:
            return _shown(counts()[run.pk])

        columns = ("name", "action", "user", "started_at", "size", "position", "done", "queued")
        return (*columns, waiting, "cancelled_at")

    @admin.display(description=_("messages waiting"))
    def waiting(self, run: Run) -> int | str:
        return _shown(runs.waiting()[run.pk])


def _shown(count: int) -> int | str:
    return count if count < runs.MOST else f"{count}+"
