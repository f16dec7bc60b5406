"""The time of a claim in a large table: ``python -m tests.benchmarks.claim [--rows 1000000]``.

Run it with TEST_DATABASE set to sqlite, postgres or mariadb. In a new database it measures a claim
with an empty table, with finished deliveries, and with as many queued deliveries in addition. It
prints the ratios to the first time, and the plan of the claim's query.
"""

import argparse
import statistics
import sys
import time
from datetime import timedelta

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from resend_confirmation import engine  # noqa: E402
from resend_confirmation.deliveries import claims  # noqa: E402
from resend_confirmation.models import Delivery  # noqa: E402
from resend_confirmation.outcomes import DeliveryState  # noqa: E402

ROUNDS = 50


def fill(rows, state):
    """Insert ``rows`` deliveries in ``state`` by copying rows repeatedly."""
    row = Delivery.objects.create(
        confirmation=seed(), state=state, asked_at=timezone.now(), not_before=timezone.now()
    )
    columns = ", ".join(
        connection.ops.quote_name(str(field.column))
        for field in Delivery._meta.concrete_fields
        if not field.primary_key
    )
    table = connection.ops.quote_name(Delivery._meta.db_table)
    count = 1
    with connection.cursor() as cursor:
        while count < rows:
            more = min(count, rows - count)
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} "
                f"WHERE state = %s LIMIT {more}",
                [row.state],
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
    """Return the median time of a claim, in seconds."""
    times = []
    for _ in range(ROUNDS):
        long_ago = timezone.now() - timedelta(days=1)
        Delivery.objects.create(
            confirmation=seed(), state=DeliveryState.QUEUED, asked_at=long_ago, not_before=long_ago
        )
        started = time.perf_counter()
        claim = claims.claim("benchmark")
        times.append(time.perf_counter() - started)
        assert claim
        claim.delivery.delete()
    return statistics.median(times)


def main():
    """Run the benchmark and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        empty = cost()
        fill(rows, DeliveryState.SENT)
        finished = cost()
        fill(rows, DeliveryState.QUEUED)
        waiting = cost()
        print(f"{connection.vendor}, {rows} rows")
        print(f"one claim, empty table: {empty * 1000:.2f} ms")
        print(f"beside finished rows: x {finished / empty:.2f}")
        print(f"and as many waiting: x {waiting / empty:.2f}")
        print(claims.due().values_list("pk", flat=True)[:1].explain())
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    sys.exit(main())
