"""The overview: a funnel from request to confirmation, the queue, and rates of bounces."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import failures
from ..deliveries import claims
from ..engine import counting
from ..engine.counting import Counted, Numbers
from ..models import Delivery
from ..outcomes import DeliveryState, Priority
from . import cells, long_lists
from .base import pause_text

#: The periods by the values of the query string.
PERIODS = {
    "24h": (_("Last 24 hours"), timedelta(hours=24)),
    "7d": (_("Last 7 days"), timedelta(days=7)),
    "30d": (_("Last 30 days"), timedelta(days=30)),
}
#: The numbers of the funnel, and what went wrong.
STAGES = {
    "asked": _("Requested"),
    "sent": _("Sent"),
    "delivered": _("Delivered"),
    "confirmed": _("Confirmed"),
}
FAULTS = {"bounced": _("Bounced"), "complained": _("Reported as spam")}
#: Per cent of the messages sent above which a number is marked.
LIMITS = {"bounced": 2, "complained": 0.1}
SPEEDS = {
    "confirmed_in_minutes": _("Confirmed within 5 minutes"),
    "confirmed_in_an_hour": _("Confirmed within an hour"),
    "confirmed_in_a_day": _("Confirmed within a day"),
}
#: Sizes of the chart: its width, and the height of a stage.
WIDTH, STEP = 320, 44


class Cell(NamedTuple):
    """A number, its share of another, and a mark if the share is too high."""

    number: int
    share: str = ""
    mark: str = ""


class Line(NamedTuple):
    """A row of a table."""

    name: Any
    cells: list[Cell]


class Bar(NamedTuple):
    """A stage of the chart; sizes are texts, since a template would localize numbers."""

    name: Any
    number: int
    text_y: str
    y: str
    width: str
    kind: str


def urls(model_admin: Any) -> list[URLPattern]:
    """Return the URL of the page, below the list of ``model_admin``."""

    def page(request: HttpRequest) -> TemplateResponse:
        return overview(request, model_admin)

    view = failures.discreet(model_admin.admin_site.admin_view(page))
    return [path("overview/", view, name="resend_confirmation_overview")]


def may_view(request: HttpRequest) -> bool:
    """Return whether the page may be shown, which has numbers of both lists."""
    names = ("view_confirmation", "view_delivery")
    return request.user.has_perms([f"resend_confirmation.{name}" for name in names])


def overview(request: HttpRequest, model_admin: Any) -> TemplateResponse:
    """Return the page, with a constant number of statements."""
    if not may_view(request):
        raise PermissionDenied
    chosen = request.GET.get("period", "")
    chosen = chosen if chosen in PERIODS else next(iter(PERIODS))
    lengths = [length for name, length in PERIODS.values()]
    counted = dict(zip(PERIODS, counting.read(lengths), strict=True))
    totals = {key: counting.total(each.numbers for each in counted[key]) for key in PERIODS}
    at = counting.counted_at()
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Overview"),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "periods": [(key, name, key == chosen) for key, (name, length) in PERIODS.items()],
        "period": PERIODS[chosen][0],
        "bars": _bars(totals[chosen]),
        "height": STEP * (len(STAGES) + len(FAULTS)),
        "width": WIDTH,
        "summary": _summary(list(totals.values())),
        "columns": [*STAGES.values(), *FAULTS.values()],
        "tables": [
            (_("By client"), _by(counted[chosen], "client")),
            (_("By dialect"), _by(counted[chosen], "dialect")),
        ],
        "queue": _queue(),
        "pause": pause_text()[1],
        "is_reported": any(
            each.delivered or each.bounced or each.complained for each in totals.values()
        ),
        "counted_at": cells.moment(at) if at else "",
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/resend_confirmation/overview.html", context)


def _bars(numbers: Numbers) -> list[Bar]:
    most = max(numbers.asked, 1)
    return [
        Bar(
            name,
            (number := getattr(numbers, key)),
            str(STEP * place + 16),
            str(STEP * place + 22),
            f"{WIDTH * min(1, number / most):.1f}",
            "fault" if key in FAULTS else "stage",
        )
        for place, (key, name) in enumerate({**STAGES, **FAULTS}.items())
    ]


def _summary(totals: Sequence[Numbers]) -> list[Line]:
    """Return the rows of the table with the periods as columns."""
    lines = [
        Line(name, [_cell(each, key) for each in totals])
        for key, name in {**STAGES, **FAULTS}.items()
    ]
    return lines + [
        Line(name, [Cell(getattr(each, key), _share(each, key, "confirmed")) for each in totals])
        for key, name in SPEEDS.items()
    ]


def _by(counted: Iterable[Counted], column: str) -> list[Line]:
    groups: dict[str, list[Numbers]] = {}
    for each in counted:
        groups.setdefault(getattr(each, column), []).append(each.numbers)
    sums = [(name, counting.total(some)) for name, some in groups.items()]
    sums.sort(key=lambda each: (-each[1].asked, each[0]))
    return [
        Line(name or _("none"), [_cell(numbers, key) for key in (*STAGES, *FAULTS)])
        for name, numbers in sums
    ]


def _cell(numbers: Numbers, key: str) -> Cell:
    number = getattr(numbers, key)
    if key == "asked":
        return Cell(number)
    whole = "asked" if key == "sent" else "sent"
    limit, mark = LIMITS.get(key), ""
    if limit and 100 * number > limit * numbers.sent:
        mark = gettext("above %(share)s") % {"share": _per_cent(limit)}
    return Cell(number, _share(numbers, key, whole), mark)


def _share(numbers: Numbers, key: str, whole: str) -> str:
    number, of = getattr(numbers, key), getattr(numbers, whole)
    digits = 2 if key in FAULTS else 0
    return _per_cent(round(100 * number / of, digits), digits) if number else ""


def _per_cent(number: float, digits: int | None = None) -> str:
    return f"{number_format(number, digits)}\N{NO-BREAK SPACE}%"


def _queue() -> list[tuple[Any, str]]:
    """Return names and values. Each statement reads a limited number of rows, by an index."""
    due = [row for priority in Priority for row in claims.due(priority)[:1]]
    since = min((row.not_before for row in due), default=None)
    return [
        (_("Messages waiting"), _number_of(DeliveryState.QUEUED)),
        (_("Requests not resolved yet"), _number_of(DeliveryState.ASKED)),
        (_("Oldest message that is due, since"), cells.moment(since) if since else "-"),
    ]


def _number_of(state: DeliveryState) -> str:
    rows = Delivery.objects.filter(state=state).order_by("priority", "not_before", "pk")
    count = rows[: long_lists.LISTED].count()
    return number_format(count) + ("+" if count == long_lists.LISTED else "")
