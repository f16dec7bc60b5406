"""Fill tables, send to all pending accounts, or only insert as many rows; see ``bulk``.

``python -m tests.benchmarks.sites.resending fill 1000``, ``... send`` or ``... insert``. It prints
the number of rows, the seconds, and the memory in MiB before and at most, as JSON.
"""

import json
import sys
import time
from itertools import islice

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from resend_confirmation.models import Confirmation, Cooldown, Delivery  # noqa: E402
from tests.benchmarks.filling import Templates, in_bulk  # noqa: E402
from tests.benchmarks.sites import memory  # noqa: E402

#: The number of rows in a batch of the plain insert.
CHUNK = 2000


def fill(rows: int) -> None:
    """Create the tables, and pending accounts without messages."""
    call_command("migrate", verbosity=0)
    templates = Templates()
    with in_bulk():
        templates.copy(rows)
    empty()


def empty() -> None:
    """Delete the deliveries and cooldowns, so that every account is due again."""
    Delivery.objects.all().delete()
    Cooldown.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def send() -> None:
    call_command("resend_confirmation", "send", "--pending", verbosity=0)


def insert() -> None:
    """Insert a delivery for each confirmation, and do nothing else."""
    now = timezone.now()
    keys = Confirmation.objects.order_by("pk").values_list("pk", flat=True).iterator(CHUNK)
    while chunk := list(islice(keys, CHUNK)):
        Delivery.objects.bulk_create(
            Delivery(confirmation_id=key, state="queued", asked_at=now, not_before=now)
            for key in chunk
        )


def main(task: str, *rows: str) -> None:
    """Do one task."""
    if task == "fill":
        return fill(int(rows[0]))
    empty()
    before, started = memory("VmRSS"), time.perf_counter()
    {"send": send, "insert": insert}[task]()
    seconds = time.perf_counter() - started
    figures = {"rows": Delivery.objects.count(), "seconds": seconds}
    return print(json.dumps(figures | {"before": before, "peak": memory("VmHWM")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
