"""The thread carrier: one thread, started at the first wake, that survives errors."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import ClassVar

import pytest
from django.core import mail
from django.db import connections, transaction

from resend_confirmation import engine, start
from resend_confirmation.carriers import thread
from resend_confirmation.carriers.thread import ThreadCarrier
from resend_confirmation.conf import Backend
from resend_confirmation.deliveries.wake import carrier as carrier_of
from resend_confirmation.engine import Tally
from resend_confirmation.models import Delivery
from resend_confirmation.outcomes import DeliveryState

from .factories import UserFactory

pytestmark = pytest.mark.database

NAME = "resend-confirmation-courier"


def wait_for(condition, seconds=30.0):
    """Wait until ``condition`` is true, and fail if it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def couriers():
    return [each for each in threading.enumerate() if each.name == NAME]


class SharedCarrier:
    """A value for CARRIER that wakes the test's carrier."""

    shared: ClassVar[list[ThreadCarrier]] = []

    def wake(self):
        self.shared[0].wake()


class Ended(BaseException):
    """An exception that is not an ``Exception``."""


def hurry(monkeypatch):
    """Make the thread poll often, and drain at once."""
    monkeypatch.setattr(thread, "DELAY", (0.0, 0.0))
    monkeypatch.setattr(thread, "TICK", (0.001, 0.002))


@pytest.fixture
def drains(monkeypatch):
    """Replace ``engine.drain``; return a list of its calls and a list of results to return."""
    hurry(monkeypatch)
    calls: list[int] = []
    script: list[object] = []

    def drain(limit, is_stopping, sender):
        calls.append(threading.get_ident())
        step = script.pop(0) if script else Tally()
        if isinstance(step, BaseException):
            raise step
        return step() if callable(step) else step

    monkeypatch.setattr(engine.loop, "drain", drain)
    return calls, script


@pytest.fixture
def carrier(monkeypatch):
    """A carrier whose thread is stopped after the test."""
    hurry(monkeypatch)
    # An exception that ends the thread does not fail the test.
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    made, before = ThreadCarrier(), couriers()
    yield made

    made._stopping.set()
    wait_for(lambda: couriers() == before)


def test_started_by_the_first_wake(drains, carrier):
    """The thread is started by the first wake."""
    before = len(couriers())
    assert carrier._thread is None
    carrier.wake()
    assert len(couriers()) == before + 1
    wait_for(lambda: len(drains[0]) == 1)
    assert couriers()[-1].daemon


def test_one_thread(drains, carrier):
    """Many concurrent wakes start only one thread."""
    before = len(couriers())
    wakers = [threading.Thread(target=carrier.wake) for _ in range(50)]
    for waker in wakers:
        waker.start()
    for waker in wakers:
        waker.join()
    assert len(couriers()) == before + 1
    calls = drains[0]
    wait_for(lambda: calls)
    assert set(calls) == {carrier._thread.ident}


def test_until_idle(drains, carrier):
    """After a wake the thread drains until it is idle, and then waits for the next wake."""
    calls, script = drains
    script.extend([Tally(sent=100), Tally(unsent=1), Tally(resolved=1), Tally()])
    carrier.wake()
    wait_for(lambda: len(calls) == 4)
    time.sleep(0.1)
    assert len(calls) == 4
    carrier.wake()
    wait_for(lambda: len(calls) == 5)


class Waits(threading.Event):
    """Records the timeouts of waits, and returns almost at once."""

    def __init__(self):
        super().__init__()
        self.noted = []

    def wait(self, timeout=None):
        self.noted.append(timeout)
        return super().wait(0.001)


@pytest.mark.parametrize(
    ("first", "rests"),
    [
        (Tally(resolved=1), 2),
        (Tally(sent=60, unsent=39), 2),
        (Tally(resolved=100), 1),
        (Tally(sent=60, unsent=40), 1),
    ],
    ids=str,
)
def test_rests_between_rounds(drains, carrier, monkeypatch, first, rests):
    """After a small round the thread waits, so a request during it is not processed at once."""
    monkeypatch.setattr(thread, "DELAY", (7.0, 7.0))
    monkeypatch.setattr(thread, "TICK", (3.0, 3.0))
    carrier._stopping = waits = Waits()
    drains[1].extend([first, Tally()])
    carrier.wake()
    wait_for(lambda: len(drains[0]) == 2 and waits.noted[-1] == 3.0)
    assert [each for each in waits.noted if each == 7.0] == [7.0] * rests


def test_looks_by_itself(drains, carrier, monkeypatch):
    """Without a wake the thread drains from time to time."""
    monkeypatch.setattr(thread, "IDLE", (0.01, 0.02))
    carrier.wake()
    wait_for(lambda: len(drains[0]) >= 5)


def test_survives_a_crash(drains, carrier, caplog):
    """A drain that fails is logged, and the same thread drains again."""
    calls, script = drains
    script.append(RuntimeError("no database"))
    carrier.wake()
    wait_for(lambda: "will be retried" in caplog.text)
    carrier.wake()
    wait_for(lambda: len(calls) == 2)
    assert len(set(calls)) == 1


def test_never_blocks(drains, carrier):
    """A wake returns at once during a drain, and leads to another drain."""
    calls, script = drains
    release = threading.Event()

    def work():
        assert release.wait(30)
        return Tally()

    script.append(work)
    carrier.wake()
    wait_for(lambda: len(calls) == 1)
    # If a wake blocked, the drain would fail, and another one would start.
    for _ in range(1000):
        carrier.wake()
    assert len(calls) == 1
    release.set()
    wait_for(lambda: len(calls) == 2)


def test_thread_survives_exceptions(drains, carrier, caplog):
    """Even an exception that is not an ``Exception`` is logged, and the thread drains again."""
    calls, script = drains
    script.append(Ended())
    carrier.wake()
    wait_for(lambda: "it continues" in caplog.text)
    carrier.wake()
    wait_for(lambda: len(calls) == 2)
    assert len(set(calls)) == 1


def test_restarted_after_it_ended(drains, carrier):
    """A thread that has ended is replaced at the next wake."""
    carrier._thread = ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    carrier.wake()
    assert carrier._thread is not ended
    wait_for(lambda: len(drains[0]) == 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_after_a_fork(drains, carrier):
    """A forked child starts its own thread."""
    carrier.wake()
    wait_for(lambda: len(drains[0]) == 1)
    held, release = threading.Event(), threading.Event()

    def hold():
        with carrier._lock:
            held.set()
            release.wait(30)

    # Another thread of the parent holds the lock during the fork.
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        drains[0].clear()
        carrier.wake()
        while not drains[0]:
            time.sleep(0.01)
        os._exit(17)
    release.set()
    holder.join()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 17


@pytest.mark.django_db(transaction=True)
def test_sends_after_the_commit(carrier, change):
    """The message is sent after the commit, not before."""
    SharedCarrier.shared[:] = [carrier]
    change(CARRIER="tests.test_thread_carrier.SharedCarrier")
    outbox = mail.outbox
    with transaction.atomic():
        start(UserFactory.create(username="one"))
        assert carrier._thread is None
    wait_for(lambda: Delivery.objects.filter(state=DeliveryState.SENT).count() == 1)
    assert [letter.to for letter in outbox] == [["one@example.com"]]
    start(UserFactory.create(username="two"))
    wait_for(lambda: Delivery.objects.filter(state=DeliveryState.SENT).count() == 2)


@pytest.mark.django_db(transaction=True)
def test_leaves_no_connection_open(drains, carrier, monkeypatch):
    """Between drains the thread has no open database connection."""
    open_ones = []

    def work():
        Delivery.objects.exists()
        return Tally()

    close_all = type(connections).close_all

    def close(self, *args, **kwargs):
        close_all(self, *args, **kwargs)
        open_ones.append([c for c in self.all(initialized_only=True) if c.connection is not None])

    monkeypatch.setattr(type(connections), "close_all", close)
    drains[1].append(work)
    carrier.wake()
    wait_for(lambda: open_ones)
    assert open_ones == [[]]


def test_jitter():
    """The delay after a wake is random, so later requests do not reveal it by their time."""
    for least, most in (thread.DELAY, thread.TICK):
        assert 0 < least < most


class Made:
    """A carrier that two threads create at the same time."""

    both = threading.Barrier(2, timeout=30)

    def __init__(self):
        self.both.wait()

    def wake(self):
        pass


def test_one_carrier_for_all_threads():
    """If several threads need the carrier first, they get the same one."""
    with ThreadPoolExecutor(2) as threads:
        backend = Backend("tests.test_thread_carrier.Made")
        one, other = threads.map(carrier_of, [backend, backend])
    assert one is other


class Queues:
    """A carrier with an option."""

    def __init__(self, *, queues):
        self.queues = queues

    def wake(self):
        pass


def test_options_are_keyword_arguments():
    """OPTIONS are keyword arguments of the carrier's class; other OPTIONS make another carrier."""
    name = "tests.test_thread_carrier.Queues"
    made = [carrier_of(Backend(name, {"queues": queues})) for queues in (["a"], ["b"])]
    assert [carrier.queues for carrier in made] == [["a"], ["b"]]  # type: ignore[attr-defined]


def test_wake_does_not_drain(drains, carrier, monkeypatch):
    """A wake only sets a flag, since notifying the thread would take a measurable time."""
    monkeypatch.setattr(thread, "TICK", (3600.0, 3600.0))
    carrier.wake()
    for _ in range(100):
        carrier.wake()
        time.sleep(0.001)
    assert drains[0] == []


@pytest.mark.parametrize(
    ("server", "stands_still"),
    [
        ({"has_threads": 0, "opt": {}}, True),
        ({"has_threads": 1, "opt": {}}, False),
        ({"opt": {b"module": b"site.wsgi"}}, True),
        ({"opt": {b"enable-threads": True}}, False),
        ({"opt": {"threads": "2"}}, False),
    ],
)
def test_w036_server_without_threads(drains, monkeypatch, caplog, server, stands_still):
    """W036: uWSGI runs without threads. This is also logged once, at the first wake."""
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(**server))
    carrier = ThreadCarrier()
    carrier.wake()
    carrier.wake()
    carrier._end()
    text = (
        "uWSGI runs this process without threads: the carrier's thread cannot run and nothing is "
        "sent"
    )
    errors = [r.getMessage() for r in caplog.records if r.filename == "thread.py"]
    assert errors == ([text] if stands_still else [])
    assert [(m.id, m.msg) for m in carrier.check()] == (
        [("resend_confirmation.W036", text)] if stands_still else []
    )


def test_pauses(monkeypatch):
    """Between two messages the thread waits for three times its processor time, up to 0.1 s."""
    times, waits = iter([1.0, 1.02, 1.02, 2.02, 2.02]), list[float]()
    stopping = threading.Event()
    monkeypatch.setattr(time, "thread_time", lambda: next(times))
    monkeypatch.setattr(stopping, "wait", waits.append)
    pauses = thread._Pauses(stopping)
    pauses.make_way()
    pauses.make_way()
    assert waits == [pytest.approx(0.06), 0.1]


@pytest.mark.django_db(transaction=True)
def test_pauses_between_messages(monkeypatch):
    """A drain of the thread carrier pauses at least once for each message."""
    pauses = []
    monkeypatch.setattr(thread._Pauses, "make_way", lambda self: pauses.append(len(mail.outbox)))
    for _ in range(3):
        start(UserFactory.create())
    drain = threading.Thread(target=ThreadCarrier()._drain)
    drain.start()
    drain.join()
    assert {0, 1, 2} <= set(pauses)
