"""Fill tables, send to all pending accounts, or only insert as many rows; see ``bulk``.

``python -m tests.benchmarks.sites.resending fill 1000``, ``... send`` or ``... insert``. It prints
the number of rows, the seconds, the milliseconds that this process and its session computed, and
the memory in MiB before and at most, as JSON.
"""

import json
import sys
import time
from itertools import islice
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.management.color import no_style  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from resend_confirmation.engine.runs import BATCH  # noqa: E402
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Run  # noqa: E402
from resend_confirmation.outcomes import Origin, Priority  # noqa: E402
from tests.benchmarks.filling import Templates, in_bulk  # noqa: E402
from tests.benchmarks.processes import computed  # noqa: E402
from tests.benchmarks.sites import memory  # noqa: E402


def fill(rows: int) -> None:
    """Create the tables, and pending accounts without messages."""
    call_command("migrate", verbosity=0)
    templates = Templates()
    with in_bulk():
        templates.copy(rows)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")


def empty() -> None:
    """Empty the tables that the tasks fill, so that no rows are left that are dead."""
    tables = [model._meta.db_table for model in (Delivery, Cooldown, Run)]
    with connection.cursor() as cursor:
        for sql in connection.ops.sql_flush(no_style(), tables):
            cursor.execute(sql)
        cursor.execute("ANALYZE")


def send() -> None:
    call_command("resend_confirmation", "send", "--pending", verbosity=0)


def insert() -> None:
    """Insert the deliveries that ``send`` inserts, and do nothing else."""
    now = timezone.now()
    run = Run.objects.create(name="bare", started_at=now)
    columns: dict[str, Any] = {"origin": Origin.RUN, "priority": Priority.RUN, "client": "game"}
    columns |= {"run": run, "state": "queued", "asked_at": now, "not_before": now, "slot_at": now}
    pks = Confirmation.objects.order_by("pk").values_list("pk", flat=True)
    keys = pks.iterator(chunk_size=BATCH)
    while chunk := list(islice(keys, BATCH)):
        Delivery.objects.bulk_create(Delivery(confirmation_id=key, **columns) for key in chunk)


def main(task: str, *rows: str) -> None:
    """Do one task."""
    if task == "fill":
        return fill(int(rows[0]))
    empty()
    # SQLite computes in this process.
    info = getattr(connection.connection, "info", None)
    pids = {"process": None} | ({"session": info.backend_pid} if info else {})
    spent = {name: -computed(pid) for name, pid in pids.items()}
    before, started = memory("VmRSS"), time.perf_counter()
    {"send": send, "insert": insert}[task]()
    seconds = time.perf_counter() - started
    spent = {name: spent[name] + computed(pid) for name, pid in pids.items()}
    figures = {"rows": Delivery.objects.count(), "seconds": seconds, **spent}
    return print(json.dumps(figures | {"before": before, "peak": memory("VmHWM")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
