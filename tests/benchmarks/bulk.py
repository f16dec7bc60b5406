"""Rate and memory of ``resend_confirmation send --pending``, compared with ``bulk_create``.

Every account is pending, nothing waits for a courier, and no address has a cooldown. The floor
inserts the same deliveries in transactions of the same size. It knows the confirmations, takes no
slots of cooldowns, and looks for no suppressions or earlier messages.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import django

django.setup()

from tests.faults.conftest import DATABASES  # noqa: E402
from tests.subprocesses import ROOT  # noqa: E402

from .report import Figure, Goal, Report  # noqa: E402

#: The least ratio of the rates, and the most by which the peak of the memory may grow.
RATIO, GROWTH = 0.5, 1.1
TASKS = {"insert": "bulk_create", "send": "send --pending"}


def add_arguments(parser: Any) -> None:
    """Add the options."""
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=10_000, help="rows of the first measurement")


def resending(url: str, *arguments: str) -> str:
    """Run a task to its end, however long it takes, and return what it printed."""
    variables = {
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
        "FAULTS_DATABASE_URL": url,
        "FAULTS_BACKEND": "tests.benchmarks.sites.mail.EmailBackend",
        "BENCHMARK_JOURNAL": os.devnull,
    }
    return subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.sites.resending", *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def measure(rows: int, database: str) -> dict[str, Any]:
    """Return what each task printed for one number of accounts."""
    with tempfile.TemporaryDirectory() as name:
        url, drop = DATABASES[database](Path(name))
        try:
            resending(url, "fill", str(rows))
            found = {each: json.loads(resending(url, each).splitlines()[-1]) for each in TASKS}
        finally:
            drop()
    assert {each["rows"] for each in found.values()} == {found["send"]["rows"]}, found
    assert found["send"]["rows"] >= rows, found
    return found


def costs(found: dict[str, Any], floor: dict[str, Any]) -> dict[str, Figure]:
    """Return the columns of a task, compared with those of the floor."""
    rows = found["rows"]
    own, others = (each["process"] + each.get("session", 0) for each in (found, floor))
    return {
        "rows/s": rows / found["seconds"],
        "rows/s : floor": floor["seconds"] / found["seconds"],
        "CPU, µs": found["process"] * 1000 / rows,
        "CPU of the database, µs": found.get("session", 0) * 1000 / rows or None,
        "floor's CPU : CPU": others / own,
        "peak, MiB": found["peak"],
    }


def run(given: Any, report: Report) -> None:
    """Run the benchmark."""
    few = 0.0
    rows: dict[str, dict[str, Figure]] = {}
    for number in sorted({given.few, given.rows}):
        found = measure(number, given.database)
        ours, floor = found["send"], found["insert"]
        for task, name in TASKS.items():
            rows[f"{name}, {number}"] = costs(found[task], floor)
        few = few or ours["peak"]
        rows[f"{TASKS['send']}, {number}"] |= {
            "rows/s : floor": Goal(floor["seconds"] / ours["seconds"], least=RATIO),
            f"peak : peak of {given.few}": Goal(ours["peak"] / few, most=GROWTH),
        }
    report.table(f"Bulk, {given.database}", rows)
