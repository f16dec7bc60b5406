"""``manage.py resend_confirmation work`` in a process of its own, ended in the middle of a send."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections import Counter
from typing import IO, cast

import pytest

from .conftest import ROOT, Sink, wait_until

pytestmark = pytest.mark.faults


class Slow(Sink):
    """A mail server that keeps a message waiting until it is told to take it."""

    def __init__(self):
        super().__init__()
        self.waiting = 0
        self.go = threading.Event()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.waiting += 1
        while not self.go.is_set():
            await asyncio.sleep(0.01)
        return await super().handle_DATA(server, session, envelope)


class Work:
    """A process that works, and what it prints."""

    def __init__(self, world, folder, *arguments):
        self.output = folder / "output"
        with self.output.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "django", "resend_confirmation", "work", *arguments],
                cwd=ROOT,
                env=world.environment(FAULTS_DEADLINE="30"),
                stdout=out,
                stderr=world.log,
            )
        world.processes.append(self.process)

    @property
    def lines(self):
        return self.output.read_text().splitlines()


@pytest.fixture
def slow(world):
    """A world with three messages due, whose mail server takes none before it is told to."""
    made = Slow()
    world.serve(made)
    world.ask(3)
    yield made
    made.go.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_it_finishes_the_message_under_way(number, world, slow, tmp_path):
    """Told to end, it sends the message it has begun, begins no other, and exits with 0."""
    work = Work(world, tmp_path, "--poll", "0.1")
    wait_until(lambda: slow.waiting, world.log_text)
    work.process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        work.process.wait(0.5)
    slow.go.set()
    assert work.process.wait(30) == 0, world.log_text()
    assert work.lines == ["couriers: 1", "resolved: 0, sent: 1, not sent: 0", "stopped"]
    assert len(slow.messages) == 1
    assert Counter(row["state"] for row in world.rows()) == {"sent": 1, "queued": 2}
    assert {row["lease_owner"] for row in world.rows()} == {""}


def test_the_second_time_it_ends_at_once(world, slow, tmp_path):
    """Told again, it ends in the middle; the row it held is taken over later."""
    work = Work(world, tmp_path, "--poll", "0.1")
    wait_until(lambda: slow.waiting, world.log_text)

    def has_ended():
        work.process.terminate()
        return work.process.poll() is not None

    wait_until(has_ended, world.log_text)
    assert work.process.returncode == -signal.SIGTERM
    assert Counter(row["state"] for row in world.rows()) == {"sending": 1, "queued": 2}


def test_several_couriers(world, slow, tmp_path):
    """With --concurrency 3 three messages are on their way at once, and each goes out once."""
    work = Work(world, tmp_path, "--concurrency", "3", "--poll", "0.1")
    wait_until(lambda: slow.waiting == 3, world.log_text)
    slow.go.set()
    wait_until(lambda: not world.unfinished(), world.log_text)
    # What comes in later is found after a rest.
    world.run("-c", LATER)
    wait_until(lambda: len(slow.messages) == 4, world.log_text)
    wait_until(lambda: not world.unfinished(), world.log_text)
    work.process.terminate()
    assert work.process.wait(30) == 0
    assert Counter(map(len, slow.by_recipient().values())) == {1: 4}
    assert (work.lines[0], work.lines[-1]) == ("couriers: 3", "stopped")


LATER = """
import django
django.setup()
from django.contrib.auth import get_user_model
from resend_confirmation import start
start(get_user_model().objects.create(username="later", email="later@example.com"))
"""


SHORT_LIVED = """
import django, sys
django.setup()
from resend_confirmation.carriers import thread
thread.JITTER = (0.0, 0.0)
carrier = thread.ThreadCarrier()
carrier.wake()
sys.stdin.read()
"""


def test_a_process_that_ends_finishes_the_message_under_way(world, slow):
    """The thread carrier of a process that exits sends what it has begun, and marks it."""
    process = subprocess.Popen(
        [sys.executable, "-c", SHORT_LIVED],
        cwd=ROOT,
        env=world.environment(FAULTS_DEADLINE="30"),
        stdin=subprocess.PIPE,
        stderr=world.log,
    )
    world.processes.append(process)
    with cast(IO[bytes], process.stdin):
        wait_until(lambda: slow.waiting, world.log_text)
    # The main thread is at its end now.
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    slow.go.set()
    process.wait(30)
    assert len(slow.messages) == 1
    assert Counter(row["state"] for row in world.rows()) == {"sent": 1, "queued": 2}
