"""Signals during a send take effect after the current message."""

import signal
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from resend_confirmation import engine
from resend_confirmation.deadline import run_with_timeout
from resend_confirmation.deliveries import claims
from resend_confirmation.engine import loop
from resend_confirmation.interruptions import Held
from resend_confirmation.models import Delivery
from resend_confirmation.outcomes import DeliveryState

from .factories import UserFactory, queued
from .mailers import through

pytestmark = pytest.mark.database

LONG = 30.0


class SoftLimitError(Exception):
    """An exception like that of a task queue's soft time limit."""


def refuse(number, frame):
    raise SoftLimitError


@contextmanager
def handled(number, handler):
    """Set a signal's handler, and restore the previous one afterwards."""
    before = signal.signal(number, handler)
    try:
        yield
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)


class Interrupted(EmailBackend):
    """Raises SIGALRM in the main thread during each send."""

    def send_messages(self, messages):
        sent = super().send_messages(messages)
        came = threading.Event()
        # The main thread waits for this thread.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        came.wait(0.2)
        return sent


class Slow(EmailBackend):
    """Starts a timer, and sends as soon as it has expired."""

    def send_messages(self, messages):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        until = time.monotonic() + LONG
        while signal.getitimer(signal.ITIMER_REAL)[0] and time.monotonic() < until:
            threading.Event().wait(0.01)
        return super().send_messages(messages)


@pytest.fixture
def interrupted(db, settings):
    """Queue two messages for a backend that raises SIGALRM during each send."""
    through(settings, "tests.test_interruptions.Interrupted")
    for _ in range(2):
        queued(UserFactory.create())


def states():
    return sorted(Delivery.objects.values_list("state", flat=True))


@pytest.mark.parametrize("drain", [engine.drain, lambda: engine.drain_all(threading.Event())])
def test_a_handler_that_raises(interrupted, drain, monkeypatch):
    """The current message is sent and stored, no other is started, and the exception is raised."""
    # The real functions would close the test's connection.
    monkeypatch.setattr(loop, "close_old_connections", lambda: None)
    monkeypatch.setattr(loop, "connections", SimpleNamespace(close_all=lambda: None))
    with handled(signal.SIGALRM, refuse), pytest.raises(SoftLimitError):
        drain()
    assert states() == [DeliveryState.QUEUED, DeliveryState.SENT]
    assert len(mail.outbox) == 1


def test_a_timer(pending, settings):
    """A time limit that expires during a slow send takes effect after it."""
    through(settings, "tests.test_interruptions.Slow")
    queued(pending)
    with handled(signal.SIGALRM, refuse), pytest.raises(SoftLimitError):
        engine.drain()
    found = Delivery.objects.get()
    assert (found.state, found.doubts) == (DeliveryState.SENT, 0)
    assert len(mail.outbox) == 1


def test_a_handler_that_returns(interrupted):
    """A handler that returns is called after the current message, and the round continues."""
    seen = []
    with handled(signal.SIGALRM, lambda number, frame: seen.append((number, states()))):
        engine.drain()
    assert [state for number, state in seen] == [
        [DeliveryState.QUEUED, DeliveryState.SENT],
        [DeliveryState.SENT, DeliveryState.SENT],
    ]
    assert {number for number, state in seen} == {signal.SIGALRM}


def test_in_the_middle_of_a_mark(pending, monkeypatch):
    """A signal while the result is stored takes effect afterwards."""
    queued(pending)
    held = claims.is_held

    def interrupt(claim):
        signal.raise_signal(signal.SIGALRM)
        return held(claim)

    monkeypatch.setattr(claims, "is_held", interrupt)
    with handled(signal.SIGALRM, refuse), pytest.raises(SoftLimitError):
        engine.drain()
    assert (states(), len(mail.outbox)) == ([DeliveryState.SENT], 1)


def test_the_second_time():
    """A second signal takes effect at once."""
    reached = []

    def ask_twice():
        with Held():
            signal.raise_signal(signal.SIGINT)
            reached.append("once")
            signal.raise_signal(signal.SIGINT)
            reached.append("twice")

    with handled(signal.SIGINT, signal.default_int_handler), pytest.raises(KeyboardInterrupt):
        ask_twice()
    assert reached == ["once"]


def test_raised_in_the_wait_itself():
    """An exception raised while waiting for the work is raised after it."""
    reached: list[object] = []
    go_on = threading.Event()

    def heartbeat():
        go_on.set()
        raise KeyboardInterrupt

    def work():
        go_on.wait(LONG)
        reached.append("the end of the work")

    def hold():
        with Held() as held:
            run_with_timeout(0.4, work, abort=lambda: None, heartbeat=heartbeat)
            reached.append(held.must_end())

    with pytest.raises(KeyboardInterrupt):
        hold()
    assert reached == ["the end of the work", True]


def test_the_second_time_with_a_handler_that_returns():
    """After a second signal the handler is called for both, and at the end for the first again."""
    seen = []
    with handled(signal.SIGINT, lambda number, frame: seen.append(number)), Held():
        signal.raise_signal(signal.SIGINT)
        assert seen == []
        signal.raise_signal(signal.SIGINT)
        assert seen == [signal.SIGINT] * 2
    assert seen == [signal.SIGINT] * 3


def test_a_signal_that_would_end_the_process(monkeypatch):
    """A signal with the default action takes effect at the end of the context."""
    raised = []
    send = signal.raise_signal
    monkeypatch.setattr(
        signal, "raise_signal", lambda number: raised.append((number, signal.getsignal(number)))
    )
    with handled(signal.SIGHUP, signal.SIG_DFL):
        with Held() as held:
            send(signal.SIGHUP)
            assert held.must_end()
            assert raised == []
        assert raised == [(signal.SIGHUP, signal.SIG_DFL)]
