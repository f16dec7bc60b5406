"""The time of a claim in a large table, on any database.

It measures a claim with an empty table, with finished deliveries, and with as many queued
deliveries in addition: in three databases in turn. It prints the plan of the claim's query too.
"""

import statistics
import time
from contextlib import ExitStack
from datetime import timedelta

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from resend_confirmation import engine  # noqa: E402
from resend_confirmation.deliveries import claims  # noqa: E402
from resend_confirmation.models import Confirmation, Delivery  # noqa: E402
from resend_confirmation.outcomes import DeliveryState, Priority  # noqa: E402

from .crowd import CHUNK, add_waiting  # noqa: E402
from .database import empty_database  # noqa: E402

WARM_UP, ROUNDS = 5, 50
#: What the tables are filled with.
TABLES = {
    "empty table": [],
    "with finished rows": [DeliveryState.SENT],
    "and as many waiting": [DeliveryState.SENT, DeliveryState.QUEUED],
}


def fill(rows, state):
    """Insert ``rows`` deliveries in ``state``, ten to each confirmation, by copying rows."""
    now, table = timezone.now(), connection.ops.quote_name(Delivery._meta.db_table)
    confirmations = Confirmation.objects.order_by("pk").values_list("pk", flat=True)
    sources = (
        Delivery(confirmation_id=pk, state=state, asked_at=now, not_before=now)
        for pk in confirmations[: -(-rows // 10)]
    )
    Delivery.objects.bulk_create(sources, CHUNK)
    columns = ", ".join(
        connection.ops.quote_name(str(field.column))
        for field in Delivery._meta.concrete_fields
        if not field.primary_key
    )
    count = -(-rows // 10)
    with connection.cursor() as cursor:
        while count < rows:
            more = min(count, rows - count)
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} "
                f"WHERE state = %s LIMIT {more}",
                [state],
            )
            count += more
        if connection.vendor == "mysql":
            cursor.execute(f"ANALYZE TABLE {table}")
            cursor.fetchall()
        else:
            cursor.execute(f"ANALYZE {table}")


def seed():
    """Return a pending confirmation."""
    user, _ = get_user_model().objects.get_or_create(
        username="player", defaults={"email": "player@example.com"}
    )
    return engine.start(user, send=False)


def cost():
    """Return the time of a claim, in milliseconds."""
    long_ago = timezone.now() - timedelta(days=1)
    Delivery.objects.create(
        confirmation=seed(), state=DeliveryState.QUEUED, asked_at=long_ago, not_before=long_ago
    )
    started = time.perf_counter()
    claim = claims.claim("benchmark")
    spent = (time.perf_counter() - started) * 1000
    assert claim
    claim.delivery.delete()
    return spent


def add_arguments(parser):
    """Add the options."""
    parser.add_argument("--rows", type=int, default=1_000_000)


def run(given, report):
    """Run the benchmark."""
    with ExitStack() as databases:
        selects = {
            name: databases.enter_context(empty_database(f"_{number}"))
            for number, name in enumerate(TABLES)
        }
        for name, select in selects.items():
            select()
            add_waiting([f"{number}@example.com" for number in range(-(-given.rows // 10))])
            for state in TABLES[name]:
                fill(given.rows, state)
        costs: dict[str, list[float]] = {name: [] for name in TABLES}
        for _ in range(WARM_UP + ROUNDS):
            for name, select in selects.items():
                select()
                costs[name].append(cost())
        plan = claims.due(Priority.PEOPLE).values_list("pk", flat=True)[:1].explain()
    times = {name: statistics.median(each[WARM_UP:]) for name, each in costs.items()}
    empty, *_ = times.values()
    rows = {name: {"one claim, ms": spent, "ratio": spent / empty} for name, spent in times.items()}
    report.table(f"{connection.vendor}, {given.rows} rows", rows)
    report.note(plan)
