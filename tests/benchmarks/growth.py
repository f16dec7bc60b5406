"""The time of statements in small tables and in large ones, on SQLite or PostgreSQL.

It fills two databases, and runs each operation of the package many times in both, in turn, for
accounts that are scattered over the tables: with large tables of which the planner does not know
yet, and after ANALYZE. The statistics that it knows first are of a time when no delivery waited.

The floor of a request reads, changes and inserts one row of bare tables of the same size.
"""

import gc
import random
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import override_settings  # noqa: E402
from django.urls import reverse  # noqa: E402

from resend_confirmation import clients, engine  # noqa: E402
from resend_confirmation.courier import pause  # noqa: E402
from resend_confirmation.deliveries import batches  # noqa: E402
from resend_confirmation.engine import counting, status  # noqa: E402
from resend_confirmation.models import Delivery, HourlyCount  # noqa: E402
from resend_confirmation.outcomes import CONCEALED, DeliveryState, Outcome  # noqa: E402

from . import bare  # noqa: E402
from .crowd import add_waiting  # noqa: E402
from .database import empty_database  # noqa: E402
from .filling import Templates, in_bulk, tables  # noqa: E402
from .processes import computed  # noqa: E402
from .report import Goal, Report  # noqa: E402

#: The number of parts between which the accounts of the measurements are inserted.
PARTS = 10
WARM_UP = 5
#: The most that the statements of requests and claims may slow down, and milliseconds for a page.
RATIO, PAGE = 1.2, 200
BOUND = {"request, pending", "request, unknown", "request, quiet", "claim"}

#: So many requests would be dropped otherwise.
OPEN = {"BACKLOG": 10**9, "QUIET_REQUESTS_PER_NETWORK": None}

#: Seconds after which an operation is not executed again.
LONGEST = 30

#: The index of addresses that "Many users" in the documentation recommends.
INDEX = {
    "sqlite": "CREATE INDEX user_email_nocase ON auth_user (email COLLATE NOCASE)",
    "postgresql": "CREATE INDEX user_email_upper ON auth_user (UPPER(email))",
}
FLOOR = "floor of a request"


STOCK = "request, unknown, without the index"


class Cost(NamedTuple):
    """Milliseconds: of the statements, the processor's for them, and of the whole operation."""

    statements: float
    processor: float
    whole: float


#: The costs of each operation in the small tables and in the large ones.
Costs = dict[str, tuple[Cost, Cost]]


def add_arguments(parser: Any) -> None:
    """Add the options."""
    parser.add_argument("--deliveries", type=int, default=10_000_000)
    parser.add_argument("--confirmations", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=1_000, help="rows of the small tables")
    parser.add_argument("--rounds", type=int, default=50, help="executions of each operation")


class Crowd:
    """The accounts that the package wrote itself, each of which is used once."""

    def __init__(self) -> None:
        self.dice = random.Random(1)
        self.addresses: list[str] = []

    def add(self, count: int) -> None:
        """Add pending accounts, with a cooldown that is over."""
        added = [f"{self.dice.randrange(16**8):08x}@example.com" for _ in range(count)]
        add_waiting(added)
        self.addresses += added

    def next(self) -> str:
        """Return the address of an account that was not used yet."""
        return self.addresses.pop(self.dice.randrange(len(self.addresses)))


class Stopwatch:
    """The milliseconds that the statements of a block take, without commits.

    ``processor`` counts what the database computes: in its session, or in this thread for SQLite.
    """

    def __init__(self) -> None:
        connection.ensure_connection()
        info = getattr(connection.connection, "info", None)
        self.session = info.backend_pid if info else None
        self.spent = self.processor = 0.0

    def __call__(self, execute: Any, *arguments: Any) -> Any:
        started, before = time.perf_counter(), computed(self.session)
        try:
            return execute(*arguments)
        finally:
            self.processor += computed(self.session) - before
            self.spent += (time.perf_counter() - started) * 1000

    def time(self, operation: Callable[[], object]) -> Cost:
        started = time.perf_counter()
        with connection.execute_wrapper(self):
            operation()
        return Cost(self.spent, self.processor, (time.perf_counter() - started) * 1000)


class Site:
    """A database with the tables, and the operations on it."""

    def __init__(self, select: Callable[[], None]) -> None:
        self.select = select
        select()
        execute(INDEX[connection.vendor])
        self.templates, self.crowd = Templates(), Crowd()
        self.operations = operations(self.crowd, bare.Floor(self.templates.waiting))

    def time(self, name: str) -> Cost:
        self.select()
        return Stopwatch().time(self.operations[name])


def operations(crowd: Crowd, floor: bare.Floor) -> dict[str, Callable[[], object]]:
    """Return the operations by name; each raises an error if it did not do its work."""
    staff = get_user_model()._default_manager.create_superuser("staff", "staff@example.net")
    browser = Client()
    browser.force_login(staff)

    def ask(identity: str, quiet: Any, *endings: Outcome) -> None:
        client = clients.default()
        request = engine.ResendRequest(identity=identity, client=client, quiet=quiet)
        ending = engine.resend(request).ending
        assert ending in endings, ending

    def claim() -> None:
        assert batches.claim("benchmark", 1)

    def page(model: str, search: str) -> None:
        url = reverse(f"admin:resend_confirmation_{model}_changelist")
        assert browser.get(url, {"q": search}).status_code == 200

    def overview() -> None:
        url = reverse("admin:resend_confirmation_overview")
        assert browser.get(url).status_code == 200

    def count() -> None:
        # The second hour of the deliveries, as if it was never counted.
        oldest = HourlyCount.objects.filter(client="", dialect="").order_by("hour")[1]
        rows = HourlyCount.objects.filter(hour=oldest.hour)
        rows.delete()
        counting.advance()
        assert rows.exists()

    return {
        FLOOR: lambda: floor.request(crowd.next()),
        "request, pending": lambda: ask(crowd.next(), frozenset(), Outcome.SENT),
        "request, unknown": lambda: ask(
            f"{crowd.dice.random()}@example.net", frozenset(), Outcome.UNKNOWN
        ),
        "request, quiet": lambda: ask(crowd.next(), CONCEALED, Outcome.SENT),
        "claim": claim,
        "pause check": pause.current,
        "status": status.read,
        "admin, confirmations": lambda: page("confirmation", ""),
        "admin, confirmations, search": lambda: page("confirmation", crowd.addresses[0]),
        "admin, deliveries": lambda: page("delivery", ""),
        "admin, deliveries, search": lambda: page("delivery", crowd.addresses[0]),
        "admin, overview": overview,
        "count an hour": count,
    }


def measure(sites: Sequence[Site], names: Iterable[str], rounds: int) -> Costs:
    """Return the medians of each operation."""
    costs: Costs = {}
    for name in names:
        each: list[list[Cost]] = []
        ends = time.monotonic() + LONGEST
        while len(each) < WARM_UP + rounds and (time.monotonic() < ends or len(each) <= WARM_UP):
            each.append([site.time(name) for site in sites])
        few, many = (
            Cost(*map(median, zip(*of_site, strict=True)))
            for of_site in zip(*each[WARM_UP:], strict=True)
        )
        costs[name] = few, many
    return costs


def forget_the_queue(templates: Templates) -> None:
    """Let the planner believe that no delivery waits, until the next ANALYZE."""
    waiting = Delivery.objects.filter(state=DeliveryState.QUEUED)
    waiting.exclude(pk=templates.waiting.pk).delete()
    execute("ANALYZE")
    if connection.vendor == "postgresql":
        for model in tables():
            execute(f"ALTER TABLE {model._meta.db_table} SET (autovacuum_enabled = false)")


def execute(sql: str) -> None:
    """Execute one statement outside of a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(sql)


def tell(report: Report, stale: Costs, costs: Costs) -> None:
    """Report the figures of both databases."""
    rows = {}
    for name, (few, many) in costs.items():
        ratios: dict[str, float] = {"many : few": many.statements / few.statements}
        if name in stale:
            before = stale[name]
            ratios["before ANALYZE"] = before[1].statements / before[0].statements
        is_page, is_bound = name.startswith(("status", "admin")), name in BOUND
        rows[name] = {
            "few, ms": few.statements,
            "many, ms": many.statements,
            **{
                column: Goal(ratio, RATIO) if is_bound else ratio
                for column, ratio in ratios.items()
            },
            "CPU, few, ms": few.processor,
            "CPU, many, ms": many.processor,
            "CPU, many : few": many.processor / few.processor,
            "all of it, few, ms": few.whole,
            "all of it, many, ms": Goal(many.whole, PAGE) if is_page else many.whole,
        }
    report.table("Median time of the statements", rows)


def fill(few: Site, many: Site, given: Any) -> None:
    """Fill the tables. The planner is told of the small ones only."""
    each = -(-given.deliveries // given.confirmations)
    uses = 2 * 3 * (WARM_UP + given.rounds) + 1
    few.select()
    few.crowd.add(uses)
    few.templates.copy(given.few, given.few * each)
    bare.copy()
    execute("ANALYZE")
    many.select()
    many.templates.copy(given.few, given.few * each)
    forget_the_queue(many.templates)
    with in_bulk():
        for _ in range(PARTS):
            many.templates.copy(given.confirmations // PARTS, given.deliveries // PARTS)
            many.crowd.add(-(-uses // PARTS))
    bare.copy()
    if connection.vendor == "postgresql":
        # As autovacuum does, and then ANALYZE does not.
        execute("VACUUM")
    for site in (few, many):
        site.select()
        # A month has this many times the hours of one call.
        for _ in range(8):
            counting.advance()


@override_settings(RESEND_CONFIRMATION={**settings.RESEND_CONFIRMATION, **OPEN})
def run(given: Any, report: Report) -> None:
    """Run the benchmark."""
    with empty_database("_few") as select_few, empty_database("_many") as select_many:
        sites = few, many = Site(select_few), Site(select_many)
        fill(few, many, given)
        gc.disable()
        names = list(few.operations)
        stale = measure(sites, names, given.rounds)
        many.select()
        execute("ANALYZE")
        costs = measure(sites, names, given.rounds)
        for site in sites:
            site.select()
            execute(f"DROP INDEX {INDEX[connection.vendor].split()[2]}")
        stock = measure(sites, ["request, unknown"], given.rounds)
    report.note(f"{given.deliveries} deliveries, {given.confirmations} confirmations")
    tell(report, stale, {**costs, STOCK: stock["request, unknown"]})
