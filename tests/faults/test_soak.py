"""A mixed soak: requests to every dialect under kills, cut sessions, outages and wrong clocks.

One minute for each database; ``SOAK_SECONDS=600`` for a longer look.
"""

import json
import os
import random
import threading
import time
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from django.conf import settings

from .conftest import Sink, connect, kill, wait_until
from .gate import Gate
from .test_sessions import CUTTERS, on_servers, report

pytestmark = pytest.mark.faults

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
COOLDOWN = 10
ACCOUNTS, SHARING = 120, 20
#: Seconds by which the clock of each process is wrong.
COURIERS_APART = (0, 600, -600)
VISITORS_APART = (300, -300)
CHANCES = (
    "before_claim_commits=0.004,after_claim=0.004,after_acceptance=0.004,"
    "before_mark=0.004,after_mark=0.004"
)


class SoakSink(Sink):
    """Keeps when each message arrived, by the clock that all processes share (monotonic)."""

    def __init__(self):
        super().__init__()
        self.taken = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        arrived = time.monotonic()
        answer = await super().handle_DATA(server, session, envelope)
        with self.lock:
            self.taken.append((envelope.rcpt_tos[0], self.messages[-1][1]["Message-ID"], arrived))
        return answer


class Soak:
    """The processes of a soak, the faults that they suffer, and how often."""

    def __init__(self, world, folder):
        self.world = world
        self.answers = folder / "answers"
        self.raised = folder / "raised"
        self.raised.touch()
        self.done: Counter[str] = Counter()
        self.mail = Gate(("127.0.0.1", world.port))
        self.mail.open()
        scheme, _, rest = world.database_url.partition("://")
        self.is_postgres = scheme == "postgres"
        self.database = rest.rpartition("/")[2]
        self.cut, self.close_cutter = CUTTERS[scheme](self.database)
        self.common = {
            "FAULTS_SMTP_PORT": str(self.mail.port),
            "FAULTS_BACKEND": "tests.faults.raising.EmailBackend",
            "FAULTS_RAISE": "0.01",
            "FAULTS_RAISED": str(self.raised),
            "FAULTS_ANSWERS": str(self.answers),
            "FAULTS_COOLDOWN": str(COOLDOWN),
            "FAULTS_DEADLINE": "4",
            "FAULTS_SCHEDULE_SCALE": "0.02",
        }
        self.couriers = [self.courier(offset) for offset in COURIERS_APART]
        self.visitors = [self.visitor(offset) for offset in VISITORS_APART]

    def courier(self, offset, kill=CHANCES):
        more = {"FAULTS_CLOCK_OFFSET": str(offset), "FAULTS_KILL": kill}
        return self.world.start_couriers(1, **self.common, **more)

    def visitor(self, offset):
        more = {"FAULTS_CLOCK_OFFSET": str(offset)}
        return self.world.spawn("-m", "tests.faults.visitors", **self.common, **more)

    def replace_the_dead(self):
        """Start a process for each one that ended."""
        for place, offset in enumerate(COURIERS_APART):
            if self.couriers[place].poll() is not None:
                self.couriers[place] = self.courier(offset)
        for place, offset in enumerate(VISITORS_APART):
            if self.visitors[place].poll() is not None:
                self.visitors[place] = self.visitor(offset)

    def kill_a_courier(self):
        kill(random.choice(self.couriers))
        self.done["couriers killed"] += 1

    def kill_a_visitor(self):
        kill(random.choice(self.visitors))
        self.done["visitors killed"] += 1

    def cut_sessions(self):
        self.done["sessions cut"] += self.cut()

    def stop_the_mail_server(self):
        """Refuse and cut connections for a few seconds."""
        self.mail.shut()
        threading.Event().wait(random.uniform(1, COOLDOWN))
        self.mail.open()
        self.done["outages of the mail server"] += 1

    def make_sessions_read_only(self):
        """Refuse writes for two seconds, as after a switch-over to a replica."""
        if not self.is_postgres:
            return
        with connect(settings.DATABASE_URLS["postgres"]) as control:
            name = "default_transaction_read_only"
            control.execute(f"ALTER DATABASE {self.database} SET {name} = on")
            self.cut()
            threading.Event().wait(2)
            control.execute(f"ALTER DATABASE {self.database} RESET {name}")
            self.cut()
        self.done["read-only spells"] += 1

    def run(self, seconds):
        """Cause one fault after another, for ``seconds``."""
        faults = [self.kill_a_courier, self.kill_a_visitor, *[self.cut_sessions] * 4]
        faults += [self.stop_the_mail_server, self.make_sessions_read_only]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            random.choice(faults)()
            threading.Event().wait(random.uniform(0.5, 2))
            self.replace_the_dead()

    def finish(self):
        """Stop the visitors and let couriers that do not die send the rest."""
        for process in [*self.visitors, *self.couriers]:
            kill(process)
        self.done["couriers killed"] += len(self.couriers)
        self.common["FAULTS_RAISE"] = "0"
        for _ in range(2):
            self.courier(0, kill="")
        wait_until(lambda: not self.world.unfinished(), lambda: report(self.world))
        self.close_cutter()
        self.mail.shut()


def arrivals(taken):
    """Return the (time, Message-ID) of each message that arrived, in order, by address."""
    found = defaultdict(list)
    for address, message_id, moment in taken:
        found[address].append((moment, message_id))
    return {address: sorted(messages) for address, messages in found.items()}


def lost(answers, received):
    """Return the answers that promised a message which did not come."""
    missing = []
    for address, way, promise, moment in answers:
        since = {"promised": moment, "quiet": moment - COOLDOWN}.get(promise)
        # An answer is written down after it was given, and the message may be faster.
        if since is not None and not any(
            arrived > since - 2 for arrived, _ in received.get(address, [])
        ):
            missing.append((address, way, promise, moment))
    return missing


def pairs_within_the_cooldown(received):
    """Return the pairs of different messages to one address that are closer than the cooldown."""
    return [
        (address, later - earlier)
        for address, messages in received.items()
        for (earlier, one), (later, other) in pairwise(messages)
        if one != other and later - earlier < COOLDOWN
    ]


@on_servers
def test_soak(world, tmp_path, capsys):
    """Nothing is lost or stuck, each copy has a cause, and no two messages are too close."""
    world.sink = SoakSink()
    world.serve()
    world.run("-m", "tests.faults.visitors", "seed", str(ACCOUNTS), str(SHARING))
    soak = Soak(world, tmp_path)
    wait_until(lambda: world.sink.taken, world.log_text)
    soak.run(SECONDS)
    soak.finish()
    answers = [json.loads(line) for line in soak.answers.read_text().splitlines()]
    received = arrivals(world.sink.taken)
    ids = Counter(message_id for _, message_id, _ in world.sink.taken)
    copies = sum(ids.values()) - len(ids)
    deaths = Counter(point for point, _ in world.deaths())
    causes = (
        len(soak.raised.read_text().splitlines())
        + sum(deaths.values())
        + soak.done["couriers killed"]
        # Each outage may cut every courier's connection in the middle of a message.
        + len(soak.couriers) * soak.done["outages of the mail server"]
    )
    counts = {
        "asks": len(answers),
        "messages": len(world.sink.taken),
        **soak.done,
        "couriers that died at a point": sum(deaths.values()),
        "copies": copies,
        "lost": len(missing := lost(answers, received)),
        "pairs within the cooldown": len(pairs := pairs_within_the_cooldown(received)),
        "states": dict(Counter(row["state"] for row in world.rows())),
    }
    with capsys.disabled():
        print(  # noqa: T201 - the counts are what a soak is for
            f"\nsoak of {SECONDS:.0f} s on {world.database_url.partition(':')[0]}: {counts}"
        )
    assert len(answers) > SECONDS
    assert soak.done["sessions cut"]
    assert missing == []
    assert pairs == []
    assert copies <= causes
