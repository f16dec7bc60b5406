"""What a stopwatch learns of an account: ``python -m tests.benchmarks.silence``.

Starts a site with the default carrier, and a mail server, each in a process of its own; asks over
a real socket for accounts of every kind, in random order, and times each answer and the one to
the request after it, on the same connection and on another. Prints for each kind how well the
times tell it from nobody's address: the AUC with its 95 % confidence interval. Exits with 1 when
one lies outside 0.47 to 0.53. ``--candid`` asks a dialect that tells, to see that it is seen.
"""

import argparse
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

LOWEST, HIGHEST = 0.47, 0.53
WARM_UP = 100


class Line:
    """One keep-alive connection."""

    def __init__(self, port, case):
        self.case = case
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def time(self, address, client="game"):
        """Nanoseconds from the first byte sent to the last byte received."""
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


@contextlib.contextmanager
def process(*arguments, environment):
    """A process of ours, and the port that it printed."""
    command = [sys.executable, "-m", *arguments]
    started = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    assert started.stdout
    try:
        yield int(started.stdout.readline())
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


def measure(case, port, given, dice):
    """Lists of times by measure and kind."""
    times = defaultdict(list)
    here, there = Line(port, case), Line(port, case)
    nobody = strangers(given.seed)
    for line in [here, there] * WARM_UP:
        line.time(next(nobody))
    crowd = people(given.seed, given.requests)
    for round_ in range(given.requests):
        for kind in dice.sample(given.kinds, len(given.kinds)):
            client = "kiosk" if kind == "not enabled" else "game"
            # By turns, so that each kind is followed as often on either.
            name, after = [("same", here), ("other", there)][round_ % 2]
            times["request", kind].append(here.time(crowd[kind][round_], client))
            if given.delay:
                time.sleep(dice.uniform(0, given.delay))
            times[name, kind].append(after.time(next(nobody)))
    return times


def tell(times, kinds):
    """Print the table; whether nothing can be told."""
    reference, *others = kinds
    names = ["request", "same", "other"]
    print(f"| told from {reference} | by its own time | by the next, same connection | … another |")
    print("|---|---:|---:|---:|")
    quiet = True
    for kind in others:
        found = [auc(times[name, reference], times[name, kind]) for name in names]
        print(f"| {kind} | " + " | ".join(map(str, found)) + " |", flush=True)
        quiet = quiet and all(LOWEST <= each.value <= HIGHEST for each in found)
    return quiet


def arguments():
    """The identities to measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    cases = {case.name: case for case in all_cases()}
    # One that is quiet without the host's doing.
    quiet = next(
        name for name, case in cases.items() if quiet_endings(case.view.answers) >= CONCEALED
    )
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--mail", choices=MAILS, default="fast")
    parser.add_argument("--dialect", choices=cases, default=quiet)
    parser.add_argument("--requests", type=int, default=4000, help="for each pair and measure")
    parser.add_argument("--kinds", default="", help="besides unknown, with commas; default: all")
    parser.add_argument("--delay", type=float, default=0.0, help="most seconds before the next")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--candid", action="store_true", help="switch QUIET off")
    given = parser.parse_args()
    given.case = cases[given.dialect]
    asked_for = given.kinds.split(",") if given.kinds else KINDS[1:]
    # Elsewhere who calls is the host's configuration, the same for every request.
    named = given.case.names_client
    given.kinds = [KINDS[0], *(k for k in asked_for if named or k != "not enabled")]
    return given


def main():
    """Measure and print."""
    given = arguments()
    gc.disable()
    # Its processes end with it, however it ends.
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
        times = measure(given.case, port, given, random.Random(given.seed))
        count = [sys.executable, "-m", "tests.benchmarks.site", "--count"]
        print(f"{given.dialect}, {given.database}, {given.mail} mail server")
        print("deliveries at the end:")
        states = subprocess.check_output(count, cwd=ROOT, env=environment, text=True)
        print(states, flush=True)
        if not given.candid and {line.split()[1] for line in states.splitlines()} == {"asked"}:
            sys.exit("no courier was at work, so that this says nothing")
    return 0 if tell(times, given.kinds) else 1


if __name__ == "__main__":
    sys.exit(main())
