"""What ``resend_confirmation work`` does: couriers in threads, until the process is told to end."""

import random
import threading
from collections.abc import Callable

from .. import engine, failures
from ..courier.pause import pause
from ..engine import Tally
from .stopping import heeding

#: Part of a rest that chance takes away or adds, so that many couriers do not look at once.
JITTER = 0.2


def describe(done: Tally) -> str:
    """What was done, in a line."""
    line = f"resolved: {done.resolved}, sent: {done.sent}, not sent: {done.unsent}"
    return f"{line}, no longer needed: {done.needless}" if done.needless else line


class _Journal:
    """Says what each round did, and once when the queue begins or ends to be paused."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._lock = threading.Lock()
        self._was_paused = False

    def note(self, done: Tally) -> None:
        with self._lock:
            if done.did_anything:
                self._say(describe(done))
            if done.paused != self._was_paused:
                self._was_paused = done.paused
                self._say(f"{pause() or 'paused'}" if done.paused else "no longer paused")


def work(concurrency: int, poll: float, say: Callable[[str], None]) -> bool:
    """Drain in ``concurrency`` threads, resting ``poll`` seconds when nothing is due.

    Ends after a signal that asks it to, when the messages under way are sent; must be called in
    the main thread. ``say`` prints a line. Returns False if a courier ended by itself: the others
    end as well then, so that whatever supervises the process starts it again.
    """
    journal = _Journal(say)
    with heeding() as stop:
        couriers = [_Courier(stop, poll, journal, number) for number in range(concurrency)]
        say(f"couriers: {concurrency}")
        _start(couriers, stop)
        for courier in couriers:
            while courier.is_alive():
                # Python handles signals between two waits.
                courier.join(1.0)
    say("stopped")
    return not any(courier.failed for courier in couriers)


class _Courier(threading.Thread):
    def __init__(self, stopping: threading.Event, poll: float, journal: _Journal, number: int):
        super().__init__(name=f"resend-confirmation-courier-{number}")
        self._stopping, self._poll, self._journal = stopping, poll, journal
        #: Until it was told to end.
        self.failed = True

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                engine.drain_all(self._stopping, self._journal.note)
                rest = self._poll * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
                self._stopping.wait(rest)
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
        # There are no more threads.
        failures.report("A courier could not be started")
        stop.set()
