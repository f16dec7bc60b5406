"""The hard deadline: work that blocks for ever is cut off from outside, and its thread ends."""

import contextlib
import socket
import threading
import time

import pytest

from resend_confirmation.courier import deadline
from resend_confirmation.courier.deadline import DeadlineExceeded, JobEnded, NotStarted, within

pytestmark = [pytest.mark.database, pytest.mark.django]

#: Nothing in these tests lasts so long unless it hangs.
LONG = 30.0
NAME = "resend-confirmation-post"


def workers():
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def wait_for_the_workers():
    for thread in workers():
        thread.join(LONG)
    assert workers() == []


class Pipe:
    """Work that waits for a byte which never comes, and a way to close it from outside."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.aborted = 0

    def read(self):
        if not self.ours.recv(1):
            raise ConnectionResetError("closed from outside")

    def close(self):
        self.aborted += 1
        self.ours.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def pipe():
    """A pipe, closed afterwards."""
    made = Pipe()
    yield made
    made.ours.close()
    made.theirs.close()


def no_abort():
    raise AssertionError("there was nothing to abort")


def test_returns():
    """Work that ends in time gives its result, in a thread of its own."""
    here = threading.get_ident()
    there = within(LONG, threading.get_ident, abort=no_abort)
    assert there != here
    assert workers() == []


def test_raises():
    """What the work raises is raised, with the frames of the work."""

    def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        within(LONG, work, abort=no_abort)
    assert "work" in [entry.name for entry in caught.traceback]


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()])
def test_work_that_would_end_the_process(error):
    """What would end a process is an error of the work, and ends nothing."""

    def work():
        raise error

    with pytest.raises(JobEnded) as caught:
        within(LONG, work, abort=no_abort)
    assert caught.value.__cause__ is error


def test_no_thread_for_the_work(monkeypatch):
    """Where no thread can be started the work was not begun, and the error says so."""

    def fail(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(NotStarted):
        within(LONG, no_abort, abort=no_abort)


def test_given_up(pipe):
    """Work that hangs is aborted once when its time is over, and its thread ends."""
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        within(0.2, pipe.read, abort=pipe.close)
    assert time.monotonic() - started >= 0.2
    assert pipe.aborted == 1
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    wait_for_the_workers()


def test_given_up_although_bytes_drip(pipe):
    """A byte now and then, which renews every time-out of a socket, does not renew the deadline."""
    over = threading.Event()

    def drip():
        # The abort may come between two drips: there is nobody left to write to.
        with contextlib.suppress(BrokenPipeError):
            for _ in range(1000):
                if over.wait(0.02):
                    return
                pipe.theirs.send(b".")
        # Ends what nobody has aborted, so that the test fails and does not hang.
        pipe.theirs.close()

    def read_for_ever():
        while True:
            pipe.ours.settimeout(LONG)
            pipe.read()

    dripper = threading.Thread(target=drip)
    dripper.start()
    try:
        with pytest.raises(DeadlineExceeded):
            within(0.3, read_for_ever, abort=pipe.close)
        wait_for_the_workers()
    finally:
        over.set()
        dripper.join()


def test_work_that_cannot_be_aborted(monkeypatch):
    """When the abort does not help the caller goes on without the work."""
    monkeypatch.setattr(deadline, "GRACE", 0.05)
    release = threading.Event()
    with pytest.raises(DeadlineExceeded) as caught:
        within(0.1, lambda: release.wait(LONG), abort=lambda: None)
    assert caught.value.__cause__ is None
    assert len(workers()) == 1
    release.set()
    wait_for_the_workers()


def test_an_abort_that_fails(pipe):
    """An abort that fails hides nothing of what happened."""

    def abort():
        pipe.close()
        raise OSError("already closed")

    with pytest.raises(DeadlineExceeded):
        within(0.1, pipe.read, abort=abort)
    wait_for_the_workers()


def test_ended_at_the_last_moment():
    """Work that succeeds as it is aborted has succeeded: no doubt is made where there is none."""
    release = threading.Event()

    def work():
        assert release.wait(LONG)
        return "accepted"

    assert within(0.1, work, abort=release.set) == "accepted"


def test_beats():
    """The beat is called while the work lasts, in the caller's thread, and not for quick work."""
    beats = []
    go_on = threading.Event()

    def beat():
        beats.append(threading.get_ident())
        if len(beats) == 3:
            go_on.set()

    assert within(8.0, lambda: go_on.wait(LONG), abort=no_abort, beat=beat)
    assert beats == [threading.get_ident()] * 3
    within(LONG, lambda: None, abort=no_abort, beat=no_abort)


def test_a_beat_that_fails(pipe):
    """A database that is away for a beat does not leave the work running without a deadline."""

    def beat():
        raise OSError("no database")

    with pytest.raises(DeadlineExceeded):
        within(0.1, pipe.read, abort=pipe.close, beat=beat)
    assert pipe.aborted == 1
    wait_for_the_workers()
