"""Requests a second and their cost, beside floors and the endpoints of other packages.

The floors are a plain view (A), a DRF view with a serializer and an indexed SELECT (B), and B with
an UPDATE in a transaction (C). Two processes of gunicorn answer, on a database of their own for
each site; wrk asks, each time for the next account. The rounds alternate over the targets, and all
other sites are halted during a round. With ``--mail smtp`` messages go to a mail server, and our
site has its default carrier; without it they are dropped, and our site has no courier.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import django

django.setup()


from resend_confirmation.testing.dialects import Request  # noqa: E402
from tests.faults.conftest import ROOT, wait_until  # noqa: E402

from .loads import Load, loads_of_floors, loads_of_ours, loads_of_peer, throttled  # noqa: E402
from .processes import Journal, is_idle, process  # noqa: E402
from .report import Figure, Goal, Report  # noqa: E402
from .sites.running import Site  # noqa: E402

#: Peers, with the module that shows that they are installed.
PEERS = {"djoser": "djoser", "dj-rest-auth": "dj_rest_auth", "allauth": "allauth.headless"}
#: Milliseconds that the mail server takes, for the comparison of latencies.
FAST, SLOW = 1, 250


def add_arguments(parser: Any) -> None:
    """Add the options."""
    parser.add_argument("--mail", choices=["none", "smtp"], default="none")
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="duration of a round")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rows", nargs="*", help="names of the table's rows; default: all")
    parser.add_argument(
        "--prepared", action="store_true", help="prepared statements in PostgreSQL, for all sites"
    )
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))


class Wrk:
    """The client, which sends requests over kept connections as fast as they are answered."""

    def __init__(self, folder: Path, journal: Journal, given: Any) -> None:
        self.folder, self.journal, self.given = folder, journal, given
        #: The number of the account after the last one that a request named.
        self.at = 0

    def load(self, load: Load, seconds: int) -> dict[str, Any]:
        """Send requests for so long, and return what wrk says."""
        file = self.folder / "requests"
        with file.open("wb") as on:
            for number in range(self.given.accounts):
                raw = as_bytes(load.request_for(number))
                on.write(b"%d\n%s" % (len(raw), raw))
        options = [f"-c{self.given.connections}", f"-d{seconds}s", "-s", "tests/benchmarks/wrk.lua"]
        done = subprocess.run(
            ["wrk", "-t1", "--timeout", "30s", *options, f"http://127.0.0.1:{load.server.port}"],
            cwd=ROOT,
            env=os.environ | {"REQUESTS_FILE": str(file), "REQUESTS_FROM": str(self.at)},
            stdout=subprocess.PIPE,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        self.at += found["requests"] + self.given.connections
        return found

    def measure(self, load: Load, seconds: int) -> dict[str, float]:
        """Return the figures of one round; fail if an answer, a row or a message is wrong."""
        site = load.server.site
        rows, messages = site.written(), self.journal.taken()
        cpu, in_database = load.server.cpu()
        found = self.load(load, seconds)
        spent, spent_in_database = load.server.cpu()
        number = found["requests"]
        assert found["errors"] == 0, found
        assert found["statuses"] == {str(load.answer): number}, (load.answer, found)
        # At the end one request of each connection has no answer yet.
        most = number + self.given.connections
        wait_until(partial(is_idle, load.server.port), site.world.log_text)
        rows, messages = site.written() - rows, self.journal.taken() - messages
        assert number * load.rows <= rows <= most * load.rows, (load, number, rows)
        if not load.sends_later:
            low, high = number * load.messages, most * load.messages
            assert low <= messages <= high, (number, messages)
        return {
            "rate": number / found["seconds"],
            "p50": found["p50"],
            "p99": found["p99"],
            "cpu": (spent - cpu) / number,
            "database": (spent_in_database - in_database) / number,
        }


def as_bytes(request: Request) -> bytes:
    """Return a request as it is on the wire."""
    path = str(request.path)
    target = f"{path}?{request.query}" if request.query else path
    headers = {
        "Host": "127.0.0.1",
        "Content-Type": request.content_type,
        "Content-Length": len(request.body),
        **request.headers,
    }
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + request.body


def alternate(wrk: Wrk, loads: dict[str, Load], given: Any) -> None:
    """Measure each load in each round, in turns forwards and backwards."""
    order = list(loads.values())
    for number in range(1 + given.rounds):
        for load in order if number % 2 else order[::-1]:
            load.server.send(signal.SIGCONT)
            if number:
                load.rounds.append(wrk.measure(load, given.seconds))
            else:
                wrk.load(load, 1)
                wait_until(partial(is_idle, load.server.port), load.server.site.world.log_text)
            load.server.send(signal.SIGSTOP)


def figures(loads: dict[str, Load]) -> dict[str, dict[str, Figure]]:
    """Return the rows of the table."""
    return {
        name: {
            "requests/s": load.median("rate"),
            "p50, ms": load.median("p50"),
            "p99, ms": load.median("p99"),
            "CPU, ms": load.median("cpu"),
            "CPU of the database, ms": load.median("database") or None,
            **{
                f"CPU : {floor[-1]}": load.median("cpu") / loads[floor].median("cpu")
                for floor in ("floor B", "floor C")
                if floor in loads
            },
        }
        for name, load in loads.items()
    }


def targets(loads: dict[str, Load]) -> dict[str, dict[str, Figure]]:
    """Return the ratios that have targets."""
    cpu = [
        ("candid, pending", "floor C", 1.0),
        ("candid, pending", "djoser, pending", 1.0),
        ("candid, unknown", "floor B", 1.1),
        ("quiet, pending", "floor B", 1.0),
        ("quiet, unknown", "floor B", 1.0),
        ("malformed", "floor B, malformed", 1.0),
        ("unknown client", "floor B", 0.5),
        ("throttled", "floor B", 0.35),
    ]
    found: dict[str, dict[str, Figure]] = {
        f"CPU, {name} : {of}": {
            "ratio": Goal(loads[name].median("cpu") / loads[of].median("cpu"), most=most)
        }
        for name, of, most in cpu
        if {name, of} <= loads.keys()
    }
    floor, ours = loads.get("floor C"), loads.get("candid, pending")
    if floor and ours and floor.median("database"):
        ratio = ours.median("database") / floor.median("database")
        found["CPU of the database, candid, pending : floor C"] = {"ratio": Goal(ratio, most=1.5)}
    if {"throttled", "throttled, Redis"} <= loads.keys():
        more = loads["throttled, Redis"].median("cpu") - loads["throttled"].median("cpu")
        found["CPU, throttled, Redis - in memory"] = {"ms": Goal(more, most=0.3)}
    return found


def sites(stack: ExitStack, folder: Path, given: Any, port: int) -> Iterator[Site]:
    """Yield the sites, with accounts."""
    installed = [name for name in given.peers if find_spec(PEERS[name].partition(".")[0])]
    for kind in ["floors", *installed, "ours"]:
        site = Site(kind, folder / kind, given.database, port, folder / "journal")
        stack.callback(site.stop)
        site.seed(given.accounts)
        yield site


def without_mail(wrk: Wrk, made: dict[str, Site], report: Report, given: Any) -> None:
    """Measure the sites alone: messages are written and dropped."""
    backend = {"FAULTS_BACKEND": "tests.benchmarks.sites.mail.EmailBackend"}
    loads = loads_of_floors(made["floors"].serve())
    for name in PEERS.keys() & made.keys():
        loads |= loads_of_peer(name, made[name].serve(**backend))
    loads |= loads_of_ours(made["ours"].serve())
    once = {"BENCHMARK_THROTTLE": "1/d"}
    loads["throttled"] = throttled(made["ours"].serve(**once))
    if cache := os.environ.get("REDIS_URL"):
        loads["throttled, Redis"] = throttled(made["ours"].serve(**once, BENCHMARK_CACHE=cache))
    else:
        report.note("REDIS_URL is not set: without the throttle in Redis.")
    if given.rows:
        loads = {name: loads[name] for name in given.rows}
    alternate(wrk, loads, given)
    report.table(f"Requests, {given.database}", figures(loads))
    if found := targets(loads):
        report.table("Targets", found)


def with_mail(
    wrk: Wrk, made: dict[str, Site], ports: list[int], report: Report, given: Any
) -> None:
    """Measure the sites with a mail server, and ours also with a slow one."""
    loads = {}
    for name in PEERS.keys() & made.keys():
        every = loads_of_peer(name, made[name].serve())
        loads[name] = every[f"{name}, pending"]
    for port, name in zip(ports, ("ours", "ours, slow mail server"), strict=True):
        server = made["ours"].serve(BENCHMARK_CARRIER="thread", FAULTS_SMTP_PORT=str(port))
        loads[name] = loads_of_ours(server)["candid, pending"]
        loads[name].sends_later = True
    alternate(wrk, loads, given)
    report.table(f"Requests with a mail server, {given.database}", figures(loads))
    found: dict[str, dict[str, Figure]] = {}
    if peers := [loads[name].median("rate") for name in PEERS.keys() & made.keys()]:
        ratio = loads["ours"].median("rate") / max(peers)
        found["requests/s, ours : fastest peer"] = {"ratio": Goal(ratio, least=1.5)}
    slow, fast = (loads[each].median("p99") for each in ("ours, slow mail server", "ours"))
    found["p99, slow mail server : fast"] = {"ratio": Goal(slow / fast, most=1.2)}
    report.table("Targets", found)


def run(given: Any, report: Report) -> None:
    """Run the benchmark."""
    if not shutil.which("wrk"):
        sys.exit("This benchmark needs wrk (https://github.com/wg/wrk).")
    # Exit normally after SIGTERM, so that the subprocesses are killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        journal = Journal(folder / "journal")
        if given.prepared:
            os.environ["BENCHMARK_PREPARED"] = "1"
        environment = os.environ | {"BENCHMARK_JOURNAL": str(journal.path)}
        ports = [
            stack.enter_context(
                process("tests.benchmarks.mailserver", str(each), environment=environment)
            )
            for each in (FAST, SLOW)
        ]
        made = {site.kind: site for site in sites(stack, folder, given, ports[0])}
        for each in set(given.peers) - made.keys():
            report.note(f"{each} is not installed.")
        wrk = Wrk(folder, journal, given)
        if given.mail == "smtp":
            with_mail(wrk, made, ports, report, given)
        else:
            without_mail(wrk, made, report, given)
