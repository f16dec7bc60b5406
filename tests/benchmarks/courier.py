"""Messages a second of couriers, beside the least that a process can do and another package.

The limit is ``send_mail`` of a fixed text over one kept connection; a second loop also commits an
UPDATE for each message. The mail server answers at once. ``drain`` has one courier, ``work`` has
several in threads. Statements, and commits of what was written, are counted for each message of one
courier, without those of the start. Then messages that are in flight at a mail server that takes
100 ms for each, and the rates of 1, 2 and 4 couriers.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import django

django.setup()

from tests.faults.conftest import DATABASES, World, wait_until  # noqa: E402

from .processes import Journal, cpu, family, process  # noqa: E402
from .report import Figure, Goal, Report  # noqa: E402
from .sites.running import Site  # noqa: E402

COURIERS = (1, 2, 4)
COMMAND = ("-m", "django", "resend_confirmation")
#: The parts of the messages between which the rate is taken, without the start and the end.
PARTS = (0.1, 0.9)
#: Milliseconds of the slow mail server.
SLOW = 100


def add_arguments(parser: Any) -> None:
    """Add the options."""
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, help="of work; default: that of the command")
    parser.add_argument("--couriers", type=int, nargs="*", default=COURIERS)


def sending(site: Site, journal: Journal, number: int, *command: str) -> tuple[float, float]:
    """Return the messages a second of a process, and the milliseconds it computes for each."""
    before = journal.taken()
    started = site.spawn(*command)
    marks = []
    for part in PARTS:
        while (taken := journal.taken() - before) < number * part:
            assert started.poll() in {None, 0}, site.world.log_text()
            time.sleep(0.002)
        marks.append((taken, time.perf_counter(), cpu(family(started.pid))))
    wait_until(lambda: journal.taken() - before >= number, site.world.log_text)
    if "work" in command:
        started.send_signal(signal.SIGTERM)
    wait_until(lambda: started.poll() is not None, site.world.log_text)
    assert (started.returncode, journal.taken() - before) == (0, number), site.world.log_text()
    (low, then, idle), (high, now, busy) = marks
    return (high - low) / (now - then), (busy - idle) / (high - low)


def one_courier(made: dict[str, Site], journal: Journal, report: Report, given: Any) -> None:
    """Compare one courier with the loops, in turns."""
    loops = {
        "limit": ("floors", ["-m", "tests.benchmarks.sites.fixed_loop"]),
        "limit, and an UPDATE": ("floors", ["-m", "tests.benchmarks.sites.fixed_loop", "update"]),
        "djoser": ("djoser", ["-m", "tests.benchmarks.sites.djoser_loop"]),
        "drain": ("ours", [*COMMAND, "drain"]),
        "work": ("ours", [*COMMAND, "work"]),
    }
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for name, (kind, command) in list(loops.items()) * given.rounds:
        if kind == "ours":
            made[kind].run("-m", "tests.benchmarks.sites.queue", str(given.messages))
        if kind in made:
            found[name].append(sending(made[kind], journal, given.messages, *command))
    rates = {name: median(rate for rate, _ in each) for name, each in found.items()}
    rows: dict[str, dict[str, Figure]] = {
        name: {
            "messages/s": rate,
            "CPU a message, ms": median(spent for _, spent in found[name]),
            "messages/s : limit": rate / rates["limit"],
        }
        for name, rate in rates.items()
    }
    rows["drain"]["messages/s : limit"] = Goal(rates["drain"] / rates["limit"], least=0.6)
    if "djoser" in rates:
        rows["drain"]["messages/s : djoser"] = Goal(rates["drain"] / rates["djoser"], least=1.2)
    report.table(f"One process, {given.database}", rows)


def statements(site: Site, report: Report, given: Any) -> None:
    """Count the statements of one courier, by the difference of two numbers of messages."""
    numbers = given.messages // 5, given.messages
    few, many = (count(site, number) for number in numbers)
    each = {name: (many[name] - few[name]) / (numbers[1] - numbers[0]) for name in few}
    row: dict[str, Figure] = {
        "statements": Goal(each["statements"], most=4),
        "of transaction control": each["control"],
        "durable commits": each["commits"],
    }
    report.table(f"For each message, {given.database}", {"courier": row})


def count(site: Site, number: int) -> dict[str, int]:
    site.run("-m", "tests.benchmarks.sites.queue", str(number))
    found: dict[str, int] = json.loads(
        site.run("-m", "tests.benchmarks.sites.counted").splitlines()[-1]
    )
    return found


def in_flight(site: Site, port: int, journal: Journal, report: Report, given: Any) -> None:
    """Measure how many messages a slow mail server has at once."""
    number = given.messages // 5
    site.run("-m", "tests.benchmarks.sites.queue", str(number))
    option = ["--concurrency", str(given.concurrency)] if given.concurrency else []
    worker = site.spawn(*COMMAND, "work", *option, FAULTS_SMTP_PORT=str(port))
    wait_until(journal.taken, site.world.log_text)
    first, started = journal.taken(), time.perf_counter()
    wait_until(lambda: journal.taken() == number, site.world.log_text)
    rate = (number - first) / (time.perf_counter() - started)
    worker.send_signal(signal.SIGTERM)
    worker.wait()
    row = {"most at once": Goal(journal.most_at_once(), least=8), "messages/s": rate}
    name = f"--concurrency {given.concurrency or 'not given'}"
    report.table(f"A mail server that takes {SLOW} ms, {given.database}", {name: row})


def rate_of(couriers: int, given: Any) -> float:
    """Return the messages a second of several couriers, from the first message to the last."""
    with tempfile.TemporaryDirectory() as folder:
        url, drop = DATABASES[given.database](Path(folder))
        world = World(url, Path(folder))
        try:
            world.serve()
            world.ask(given.messages)
            world.start_couriers(couriers, FAULTS_DEADLINE="30")
            wait_until(lambda: world.sink.messages, world.log_text)
            before, started = len(world.sink.messages), time.perf_counter()
            wait_until(lambda: len(world.sink.messages) == given.messages, world.log_text, 600)
            return float(given.messages - before) / (time.perf_counter() - started)
        finally:
            world.stop()
            drop()


def run(given: Any, report: Report) -> None:
    """Run the benchmark."""
    # Exit normally after SIGTERM, so that the subprocesses are killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        journals = [Journal(folder / each) for each in ("fast", "slow")]
        fast, slow = (
            stack.enter_context(
                process(
                    *["tests.benchmarks.mailserver", str(milliseconds)],
                    environment=os.environ | {"BENCHMARK_JOURNAL": str(journal.path)},
                )
            )
            for milliseconds, journal in zip((0, SLOW), journals, strict=True)
        )
        kinds = ["floors", *(["djoser"] if find_spec("djoser") else []), "ours"]
        made = {}
        for kind in kinds:
            made[kind] = Site(kind, folder / f"{kind}_site", given.database, fast, journals[0].path)
            stack.callback(made[kind].stop)
            made[kind].seed(given.messages)
        if "djoser" not in made:
            report.note("djoser is not installed.")
        one_courier(made, journals[0], report, given)
        statements(made["ours"], report, given)
        in_flight(made["ours"], slow, journals[1], report, given)
    rates = {each: rate_of(each, given) for each in given.couriers}
    if rates:
        first = rates[given.couriers[0]]
        rows = {
            f"{each}": {"messages/s": rate, "ratio": rate / first} for each, rate in rates.items()
        }
        report.table(f"Couriers, {given.database}", rows)
