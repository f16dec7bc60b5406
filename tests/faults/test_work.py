"""``manage.py resend_confirmation work`` in a separate process, ended in the middle of a send."""

import asyncio
import signal
import subprocess
import threading
from collections import Counter
from typing import IO, cast

import pytest

from .conftest import Sink, wait_until

pytestmark = pytest.mark.faults


class Slow(Sink):
    """A mail server that accepts a message only when the test says so."""

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
    """A process of the command, and its output."""

    def __init__(self, world, folder, *arguments, subcommand="work", started=(), **more):
        self.output = folder / "output"
        command = ["-m", "django", "resend_confirmation", subcommand, *arguments]
        with self.output.open("w") as out:
            self.process = world.spawn(
                *(started or command), stdout=out, **{"FAULTS_DEADLINE": "30"} | more
            )

    @property
    def lines(self):
        return self.output.read_text().splitlines()


@pytest.fixture
def slow(world):
    """A world with three due messages, whose mail server accepts none until the test says so."""
    made = Slow()
    world.serve(made)
    world.ask(3)
    yield made
    made.go.set()


SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
on_sqlite = pytest.mark.parametrize("world", ["sqlite"], indirect=True)


@on_sqlite
@pytest.mark.parametrize("number", SIGNALS, ids=["term", "int", "hup"])
def test_it_finishes_the_message_under_way(number, world, slow, tmp_path):
    """After a signal it finishes the message it has begun, begins no other, and exits with 0."""
    work = Work(world, tmp_path, "--concurrency", "1", "--poll", "0.1")
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


@on_sqlite
@pytest.mark.parametrize("number", SIGNALS, ids=["term", "int", "hup"])
def test_drain_finishes_the_message_under_way(number, world, slow, tmp_path):
    """``drain`` does the same, prints its counts and exits with 128 plus the signal's number."""
    drain = Work(world, tmp_path, subcommand="drain")
    wait_until(lambda: slow.waiting, world.log_text)
    drain.process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        drain.process.wait(0.5)
    slow.go.set()
    assert drain.process.wait(30) == 128 + number, world.log_text()
    assert drain.lines == ["resolved: 0, sent: 1, not sent: 0"]
    assert "Traceback" not in world.log_text()
    assert len(slow.messages) == 1
    assert Counter(row["state"] for row in world.rows()) == {"sent": 1, "queued": 2}


SEND = """
import sys
import threading
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command, execute_from_command_line
from resend_confirmation import start
from resend_confirmation.carriers import thread
from resend_confirmation.engine import runs
call_command("migrate", verbosity=0)
for number in range(100):
    name = f"player{number}"
    user = get_user_model().objects.create(username=name, email=f"{name}@example.com")
    start(user, send=False)
thread.DELAY = thread.TICK = (0.0, 0.01)
class Held(thread.Held):
    def __enter__(self):
        held = super().__enter__()
        print("signals are held back", file=sys.stderr, flush=True)
        return held
thread.Held = Held
queue = runs.queue
def queue_slowly(*given, **more):
    threading.Event().wait(0.1)
    return queue(*given, **more)
runs.queue = queue_slowly
execute_from_command_line(
    ["manage.py", "resend_confirmation", "send", "--pending", "--batch-size", "1"]
)
"""


@on_sqlite
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_send_finishes_the_message_in_hand(number, world, tmp_path):
    """A bulk resend prints how far it came, and the thread carrier finishes its message."""
    slow = Slow()
    world.serve(slow)
    send = Work(
        world,
        tmp_path,
        started=["-c", SEND],
        DJANGO_SETTINGS_MODULE="tests.faults.settings_carriers",
        FAULTS_CARRIER="thread",
    )
    wait_until(lambda: slow.waiting, world.log_text)
    send.process.send_signal(number)
    wait_until(lambda: f"Stopped by {number.name}." in world.log_text(), world.log_text)
    wait_until(lambda: "signals are held back" in world.log_text(), world.log_text)
    # It waits for its carrier, and another signal does not change that.
    other = signal.SIGHUP if number == signal.SIGTERM else signal.SIGTERM
    send.process.send_signal(other)
    with pytest.raises(subprocess.TimeoutExpired):
        send.process.wait(0.5)
    slow.go.set()
    assert send.process.wait(30) == -other, world.log_text()
    assert "Traceback" not in world.log_text()
    states = Counter(row["state"] for row in world.rows())
    assert send.lines == [f"queued: {states.total()}"]
    assert (len(slow.messages), states["sent"], states["sending"]) == (1, 1, 0)
    assert states.total() < 100


# Couriers that end by themselves


ENDING = """
import os, sys
import django
django.setup()
from django.core.management import execute_from_command_line
from resend_confirmation import engine
from resend_confirmation.courier import message
write = message.write
def write_or_end(delivery, *given):
    if delivery.pk == 1:
        raise SystemExit(7)
    return write(delivery, *given)
message.write = write_or_end
execute_from_command_line(["manage.py", "resend_confirmation", "work", "--concurrency", "2"])
"""


@on_sqlite
def test_a_courier_that_ends_by_itself(world, slow, tmp_path):
    """When one courier ends, the other finishes its message, and the supervisor is notified."""
    work = Work(world, tmp_path, started=["-c", ENDING])
    wait_until(lambda: slow.waiting, world.log_text)
    wait_until(lambda: "A courier ended (SystemExit)" in world.log_text(), world.log_text)
    slow.go.set()
    assert work.process.wait(30) == 1, world.log_text()
    assert work.lines[-1] == "stopped"
    assert Counter(row["state"] for row in world.rows()) == {"sent": 1, "sending": 1, "queued": 1}


def test_the_second_time_it_ends_at_once(world, slow, tmp_path):
    """After a second signal it exits at once; the row it held is claimed again later."""
    work = Work(world, tmp_path, "--concurrency", "1", "--poll", "0.1")
    wait_until(lambda: slow.waiting, world.log_text)

    def has_ended():
        work.process.terminate()
        return work.process.poll() is not None

    wait_until(has_ended, world.log_text)
    assert work.process.returncode == -signal.SIGTERM
    assert Counter(row["state"] for row in world.rows()) == {"sending": 1, "queued": 2}


def test_several_couriers(world, slow, tmp_path):
    """With --concurrency 3, three messages are being sent at once, and each goes out once."""
    work = Work(world, tmp_path, "--concurrency", "3", "--poll", "0.1")
    wait_until(lambda: slow.waiting == 3, world.log_text)
    slow.go.set()
    wait_until(lambda: not world.unfinished(), world.log_text)
    # A later delivery is found after the poll interval.
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
thread.DELAY = (0.0, 0.0)
carrier = thread.ThreadCarrier()
carrier.wake()
sys.stdin.read()
"""


def test_a_process_that_ends_finishes_the_message_under_way(world, slow):
    """The thread carrier of a process that exits sends what it has begun, and marks it."""
    process = world.spawn("-c", SHORT_LIVED, stdin=subprocess.PIPE, FAULTS_DEADLINE="30")
    with cast(IO[bytes], process.stdin):
        wait_until(lambda: slow.waiting, world.log_text)
    # The main thread is at its end now.
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    slow.go.set()
    process.wait(30)
    assert len(slow.messages) == 1
    assert Counter(row["state"] for row in world.rows()) == {"sent": 1, "queued": 2}
