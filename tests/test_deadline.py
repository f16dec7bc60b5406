"""The wall-clock deadline: work that hangs is aborted from another thread."""

import contextlib
import gc
import socket
import threading
import time
import weakref
from collections import deque
from types import SimpleNamespace

import pytest

from resend_confirmation import deadline
from resend_confirmation.deadline import DeadlineExceeded, JobEnded, NotStarted, run_with_timeout

pytestmark = pytest.mark.database

#: Time limit in seconds: a test that takes longer hangs.
LONG = 30.0
NAME = "resend-confirmation-deadline"


def busy():
    """Return the worker threads that have a job."""
    workers = {thread for thread in threading.enumerate() if thread.name == NAME}
    return workers - set(deadline._idle)


def wait_until_idle():
    until = time.monotonic() + LONG
    while busy():
        assert time.monotonic() < until
        time.sleep(0.001)


class Pipe:
    """Work that waits for a byte, and an abort that closes the connection."""

    def __init__(self):
        self.near, self.far = socket.socketpair()
        self.aborted = 0

    def read(self):
        if not self.near.recv(1):
            raise ConnectionResetError("closed from outside")

    def close(self):
        self.aborted += 1
        self.near.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def pipe():
    """A pipe that is closed after the test."""
    made = Pipe()
    yield made
    made.near.close()
    made.far.close()


def no_abort():
    # An AssertionError would be suppressed, like any Exception of an abort.
    pytest.fail("there was nothing to abort")


def test_returns():
    """The result of work that ends in time is returned; it ran in another thread."""
    here = threading.get_ident()
    there = run_with_timeout(LONG, threading.get_ident, abort=no_abort)
    assert there != here
    assert not busy()


def test_raises():
    """An exception of the work is raised with its traceback."""

    def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run_with_timeout(LONG, work, abort=no_abort)
    assert "work" in [entry.name for entry in caught.traceback]


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()])
def test_work_that_would_end_the_process(error):
    """SystemExit and KeyboardInterrupt in the work are raised as JobEnded."""

    def work():
        raise error

    with pytest.raises(JobEnded) as caught:
        run_with_timeout(LONG, work, abort=no_abort)
    assert caught.value.__cause__ is error


def test_no_thread_for_the_work(monkeypatch):
    """If no thread can be started, NotStarted is raised."""
    monkeypatch.setattr(deadline, "_idle", deque())

    def fail(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(NotStarted):
        run_with_timeout(LONG, no_abort, abort=no_abort)


def test_given_up(pipe):
    """Work that hangs is aborted once after the deadline, and its thread becomes idle."""
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        run_with_timeout(0.2, pipe.read, abort=pipe.close)
    assert time.monotonic() - started >= 0.2
    assert pipe.aborted == 1
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    wait_until_idle()


def test_given_up_although_bytes_arrive(pipe):
    """Bytes that arrive slowly extend a socket's timeout, but not the deadline."""
    over = threading.Event()

    def drip():
        # The abort may close the connection between two bytes.
        with contextlib.suppress(BrokenPipeError):
            for _ in range(1000):
                if over.wait(0.02):
                    return
                pipe.far.send(b".")
        # End work that was not aborted, so that the test fails instead of hanging.
        pipe.far.close()

    def read_for_ever():
        while True:
            pipe.near.settimeout(LONG)
            pipe.read()

    dripper = threading.Thread(target=drip)
    dripper.start()
    try:
        with pytest.raises(DeadlineExceeded):
            run_with_timeout(0.3, read_for_ever, abort=pipe.close)
        wait_until_idle()
    finally:
        over.set()
        dripper.join()


def test_work_that_cannot_be_aborted(monkeypatch):
    """If the abort has no effect, the caller does not wait for the work."""
    monkeypatch.setattr(deadline, "ABORT_SECONDS", 0.05)
    release = threading.Event()
    with pytest.raises(DeadlineExceeded) as caught:
        run_with_timeout(0.1, lambda: release.wait(LONG), abort=lambda: None)
    assert caught.value.__cause__ is None
    assert len(busy()) == 1
    release.set()
    wait_until_idle()


def test_an_abort_that_fails(pipe):
    """An error in the abort does not hide DeadlineExceeded."""

    def abort():
        pipe.close()
        raise OSError("already closed")

    with pytest.raises(DeadlineExceeded):
        run_with_timeout(0.1, pipe.read, abort=abort)
    wait_until_idle()


def test_ended_at_the_last_moment():
    """If the work succeeds despite the abort, its result is returned."""
    release = threading.Event()

    def work():
        assert release.wait(LONG)
        return "accepted"

    assert run_with_timeout(0.1, work, abort=release.set) == "accepted"


def test_heartbeats():
    """Heartbeats are called in the caller's thread during long work, but not for short work."""
    beats = []
    go_on = threading.Event()

    def heartbeat():
        beats.append(threading.get_ident())
        if len(beats) == 3:
            go_on.set()

    assert run_with_timeout(8.0, lambda: go_on.wait(LONG), abort=no_abort, heartbeat=heartbeat)
    assert beats == [threading.get_ident()] * 3
    run_with_timeout(LONG, lambda: None, abort=no_abort, heartbeat=no_abort)


def test_a_heartbeat_that_fails(pipe):
    """If a heartbeat fails, the deadline still applies."""

    def heartbeat():
        raise OSError("no database")

    with pytest.raises(DeadlineExceeded):
        run_with_timeout(0.1, pipe.read, abort=pipe.close, heartbeat=heartbeat)
    assert pipe.aborted == 1
    wait_until_idle()


def test_interrupted(monkeypatch):
    """An exception in the caller's wait, as from a signal handler, is raised after the work."""
    go_on, waits, reached = threading.Event(), [], []

    class Interrupted(threading.Event):
        def wait(self, timeout=None):
            waits.append(timeout)
            if len(waits) == 1:
                raise ZeroDivisionError
            go_on.set()
            return super().wait(timeout)

    def work():
        assert go_on.wait(LONG)
        reached.append("the end of the work")

    monkeypatch.setattr(deadline, "threading", SimpleNamespace(Event=Interrupted))
    with pytest.raises(ZeroDivisionError):
        run_with_timeout(LONG, work, abort=no_abort)
    go_on.set()
    assert reached == ["the end of the work"]


def test_threads_are_reused():
    """Consecutive calls use one thread."""
    seen = {run_with_timeout(LONG, threading.get_ident) for _ in range(20)}
    assert len(seen) == 1


def test_an_idle_thread_keeps_nothing():
    """An idle thread keeps no reference to the work or its result."""

    class Result:
        pass

    def work():
        return Result()

    result = weakref.ref(run_with_timeout(LONG, work))
    work_ref = weakref.ref(work)
    del work
    gc.collect()
    assert (result(), work_ref()) == (None, None)


def test_work_left_to_its_thread():
    """Without an abort the caller does not wait after the deadline."""
    release = threading.Event()
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        run_with_timeout(0.1, lambda: release.wait(LONG))
    assert time.monotonic() - started < deadline.ABORT_SECONDS
    assert len(busy()) == 1
    release.set()
    wait_until_idle()


def test_connections_that_cannot_be_closed(monkeypatch):
    """An error while closing database connections does not affect the result."""

    def fail():
        raise OSError("already gone")

    monkeypatch.setattr("django.db.connections.close_all", fail)
    assert run_with_timeout(LONG, lambda: "done") == "done"
    assert not busy()
