"""Memory and processor time that this package adds to the start of a site.

The site has Django and Django REST framework; its apps, middleware and URLs are loaded, and
nothing else.
"""

import json
from statistics import median
from typing import Any

import django

django.setup()

from tests.subprocesses import run as run_python  # noqa: E402

from .report import Figure, Goal, Report  # noqa: E402

#: The kinds of sites, by the names of the rows.
SITES = {"without": "floors", "with the package": "start"}
#: The most that the package may add.
MEMORY, CPU = 8, 60


def add_arguments(parser: Any) -> None:
    """Add the options."""
    parser.add_argument("--runs", type=int, default=15)


def started(kind: str) -> dict[str, float]:
    """Return the memory and the time of one process."""
    done = run_python(
        *["-m", "tests.benchmarks.sites.started"],
        DJANGO_SETTINGS_MODULE="tests.benchmarks.sites.settings",
        BENCHMARK_SITE=kind,
        FAULTS_DATABASE_URL="sqlite://:memory:",
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout)
    return found


def run(given: Any, report: Report) -> None:
    """Run the benchmark; the first round, which writes byte-code, does not count."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SITES}
    for _ in range(1 + given.runs):
        for name, kind in SITES.items():
            found[name].append(started(kind))
    memory, cpu = (
        [median(each[figure] for each in runs[1:]) for runs in found.values()]
        for figure in ("memory", "cpu")
    )
    rows: dict[str, dict[str, Figure]] = {
        name: {"memory, MiB": memory[at], "CPU, ms": cpu[at]} for at, name in enumerate(SITES)
    }
    added = {
        "memory, MiB": Goal(memory[1] - memory[0], most=MEMORY),
        "CPU, ms": Goal(cpu[1] - cpu[0], most=CPU),
    }
    report.table("Start", rows | {"added": added})
