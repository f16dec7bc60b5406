"""Rate and memory of ``resend_confirmation send --pending``, beside a plain ``bulk_create``.

Every account is pending, nothing waits for a courier, and no cooldown lasts.
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

from .report import Figure, Report  # noqa: E402


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


def measure(rows: int, database: str) -> dict[str, dict[str, Figure]]:
    """Return the rows of the table for one number of accounts."""
    with tempfile.TemporaryDirectory() as name:
        url, drop = DATABASES[database](Path(name))
        try:
            resending(url, "fill", str(rows))
            plain, sent = (
                json.loads(resending(url, each).splitlines()[-1]) for each in ("insert", "send")
            )
        finally:
            drop()
    assert rows <= sent["rows"] == plain["rows"], (sent, plain)
    return {
        f"{task}, {rows}": {
            "rows/s": found["rows"] / found["seconds"],
            "rows/s : bulk_create": plain["seconds"] / found["seconds"],
            "memory before, MiB": found["before"],
            "peak, MiB": found["peak"],
        }
        for task, found in [("bulk_create", plain), ("send --pending", sent)]
    }


def run(given: Any, report: Report) -> None:
    """Run the benchmark."""
    rows: dict[str, dict[str, Figure]] = {}
    for number in sorted({given.few, given.rows}):
        rows |= measure(number, given.database)
    report.table(f"Bulk, {given.database}", rows)
