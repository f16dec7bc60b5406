"""``resend_confirmation work``: couriers in threads, until a signal stops the process."""

import random
import threading
from collections.abc import Callable
from dataclasses import asdict

from .. import engine, failures
from ..courier import pause
from ..engine import Tally
from .stopping import stop_on_signals

#: Default number of couriers. A mail server takes long for a message compared with the courier, and
#: most allow a client this many connections.
CONCURRENCY = 8
#: Random share of the polling interval, so that couriers do not poll at the same moment.
POLL_JITTER = 0.2


def describe(done: Tally) -> str:
    """Return the counts of a round as one line."""
    line = f"resolved: {done.resolved}, sent: {done.sent}, not sent: {done.unsent}"
    line += f", no longer needed: {done.skipped}" if done.skipped else ""
    return f"{line}, selected by staff: {done.selected}" if done.selected else line


#: Prints a line for people, or the facts for programs.
Put = Callable[..., None]


class _Journal:
    """Prints what each round did, and once when sending is paused or resumed."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._lock = threading.Lock()
        self._was_paused = False

    def note(self, done: Tally) -> None:
        with self._lock:
            if done.did_anything:
                self._put(describe(done), **asdict(done))
            if done.paused != self._was_paused:
                self._was_paused = done.paused
                why = f"{pause.current() or 'paused'}" if done.paused else "sending is resumed"
                self._put(why, paused=done.paused, why=why)


def work(concurrency: int, poll: float, put: Put) -> bool:
    """Drain in ``concurrency`` threads that wait ``poll`` seconds when nothing is due.

    A signal ends it once the messages in progress are sent; call it in the main thread. ``put``
    prints a line, or its facts. Returns False if a courier ended by itself: then the others end as
    well, so that the supervisor restarts the process.
    """
    journal = _Journal(put)
    with stop_on_signals() as stop:
        couriers = [_Courier(stop, poll, journal, number) for number in range(concurrency)]
        put(f"couriers: {concurrency}", couriers=concurrency)
        _start(couriers, stop)
        for courier in couriers:
            while courier.is_alive():
                # Python handles signals between joins.
                courier.join(1.0)
    put("stopped", stopped=True)
    return not any(courier.failed for courier in couriers)


class _Courier(threading.Thread):
    def __init__(self, stopping: threading.Event, poll: float, journal: _Journal, number: int):
        super().__init__(name=f"resend-confirmation-courier-{number}")
        self._stopping, self._poll, self._journal = stopping, poll, journal
        #: False once it was stopped.
        self.failed = True

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                engine.drain_all(self._stopping, self._journal.note)
                wait = self._poll * random.uniform(1 - POLL_JITTER, 1 + POLL_JITTER)  # noqa: S311
                self._stopping.wait(wait)
            self.failed = False
        except BaseException:
            failures.report("A courier ended")
        finally:
            self._stopping.set()


def _start(couriers: list[_Courier], stop: threading.Event) -> None:
    try:
        for courier in couriers:
            courier.start()
    except RuntimeError:
        # No more threads can be started.
        failures.report("A courier could not be started")
        stop.set()
