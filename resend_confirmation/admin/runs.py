"""Bulk runs in the admin, with their progress."""

from functools import cache
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..engine import runs
from ..models import Run
from . import cells
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

        started, cancelled = (cells.times(Run, name) for name in ("started_at", "cancelled_at"))
        return ("name", "action", "user", started, "progress", "queued", waiting, cancelled)

    @admin.display(description=_("processed"))
    def progress(self, run: Run) -> str:
        """Return how many of the selected rows were processed, and with what success."""
        facts = {"position": run.position, "size": run.size, "done": run.done}
        text = gettext("%(position)d of %(size)d, successful: %(done)d")
        return text % facts if run.size else ""

    @admin.display(description=_("messages waiting"))
    def waiting(self, run: Run) -> int | str:
        return _shown(runs.waiting()[run.pk])


def _shown(count: int) -> int | str:
    return count if count < runs.MOST else f"{count}+"
