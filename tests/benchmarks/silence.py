"""What response times reveal about accounts.

It starts a site with the default carrier and a mail server. It requests resends for accounts of all
kinds in random order, and measures the time of each response and of the following one, on the same
connection or on another. It prints how well the times distinguish each kind from an unknown
address, as the AUC with its 95 % confidence interval. The target is 0.47 to 0.53. ``--candid``
switches QUIET off, to show that the benchmark detects differences.
"""

import contextlib
import gc
import http.client
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import django

django.setup()

from resend_confirmation.dialects.base.declarations import quiet_endings  # noqa: E402
from resend_confirmation.outcomes import CONCEALED  # noqa: E402
from tests.dialects.cases import all_cases  # noqa: E402
from tests.faults.conftest import DATABASES, ROOT  # noqa: E402

from .auc import auc  # noqa: E402
from .crowd import KINDS, people, strangers  # noqa: E402
from .mailserver import MAILS  # noqa: E402
from .processes import process  # noqa: E402
from .report import Goal  # noqa: E402

LOWEST, HIGHEST = 0.47, 0.53
WARM_UP = 100


class Line:
    """A keep-alive connection."""

    def __init__(self, port, case):
        self.case = case
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def time(self, address, client="game"):
        """Return the nanoseconds from the first byte sent to the last byte received."""
        request = self.case.request_for(address, client)
        url = f"{request.path}?{request.query}" if request.query else request.path
        headers = {**request.headers, "Content-Type": request.content_type}
        started = time.perf_counter_ns()
        self.connection.request(request.method, url, request.body, headers)
        response = self.connection.getresponse()
        response.read()
        ended = time.perf_counter_ns()
        assert response.status < 500, response.status
        assert not response.will_close
        return ended - started


def measure(case, port, given, dice):
    """Return lists of times, by measure and kind."""
    times = defaultdict(list)
    here, there = Line(port, case), Line(port, case)
    nobody = strangers(given.seed)
    for line in [here, there] * WARM_UP:
        line.time(next(nobody))
    crowd = people(given.seed, given.requests)
    for round_ in range(given.requests):
        for kind in dice.sample(given.kinds, len(given.kinds)):
            client = "kiosk" if kind == "not enabled" else "game"
            # Alternate, so that both connections are used equally for each kind.
            name, after = [("same", here), ("other", there)][round_ % 2]
            times["request", kind].append(here.time(crowd[kind][round_], client))
            if given.delay:
                time.sleep(dice.uniform(0, given.delay))
            times[name, kind].append(after.time(next(nobody)))
    return times


def table(times, kinds):
    """Return the rows of the table; values outside the limits are missed targets."""
    reference, *others = kinds
    columns = {
        "request": "by its own time",
        "same": "by the next, same connection",
        "other": "by the next, another connection",
    }
    found = {
        kind: {
            column: auc(times[name, reference], times[name, kind])
            for name, column in columns.items()
        }
        for kind in others
    }
    return {
        kind: {
            **{n: Goal(each.value, most=HIGHEST, least=LOWEST) for n, each in row.items()},
            **{f"{n}, interval": f"{each.low:.3f}-{each.high:.3f}" for n, each in row.items()},
        }
        for kind, row in found.items()
    }


def add_arguments(parser):
    """Add the options."""
    cases = {case.name: case for case in all_cases()}
    # A dialect that is always quiet.
    quiet = next(
        name for name, case in cases.items() if quiet_endings(case.view.answers) >= CONCEALED
    )
    parser.add_argument("--mail", choices=MAILS, default="fast")
    parser.add_argument("--dialect", choices=cases, default=quiet)
    parser.add_argument("--requests", type=int, default=4000, help="for each pair and measure")
    parser.add_argument("--kinds", default="", help="besides unknown, with commas; default: all")
    parser.add_argument("--delay", type=float, default=0.0, help="most seconds before the next")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--candid", action="store_true", help="switch QUIET off")


def kinds_of(given, case):
    """Return the kinds of accounts, the first of which the others are compared with."""
    asked_for = given.kinds.split(",") if given.kinds else KINDS[1:]
    # Other dialects use the default client for every request.
    return [KINDS[0], *(k for k in asked_for if case.names_client or k != "not enabled")]


def run(given, report):
    """Run the benchmark."""
    case = next(case for case in all_cases() if case.name == given.dialect)
    given.kinds = kinds_of(given, case)
    gc.disable()
    # Exit normally after SIGTERM, so that the subprocesses are killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        url, drop = DATABASES[given.database](Path(folder))
        stack.callback(drop)
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "FAULTS_DATABASE_URL": url,
            "SILENCE_QUIET": "none" if given.candid else "all",
        }
        mail = stack.enter_context(
            process("tests.benchmarks.mailserver", given.mail, environment=environment)
        )
        environment["FAULTS_SMTP_PORT"] = str(mail)
        each, seed = f"--each={given.requests}", f"--seed={given.seed}"
        port = stack.enter_context(
            process("tests.benchmarks.site", each, seed, environment=environment)
        )
        times = measure(case, port, given, random.Random(given.seed))
        count = [sys.executable, "-m", "tests.benchmarks.site", "--count"]
        states = subprocess.check_output(count, cwd=ROOT, env=environment, text=True)
        report.note(f"deliveries at the end: {', '.join(states.splitlines())}")
        if not given.candid and {line.split()[1] for line in states.splitlines()} == {"asked"}:
            sys.exit("no courier was running, so the result is meaningless")
    title = f"{given.dialect}, {given.database}, {given.mail} mail server"
    report.table(f"{title}: told from {given.kinds[0]}", table(times, given.kinds))
