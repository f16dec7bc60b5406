"""What ``resend_confirmation work`` does: couriers in threads, until the process is told to end."""

import random
import signal
import threading
from collections.abc import Callable
from types import FrameType

from .. import engine
from ..courier.pause import pause
from ..engine import Tally

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


def work(concurrency: int, poll: float, say: Callable[[str], None]) -> None:
    """Drain in ``concurrency`` threads, resting ``poll`` seconds when nothing is due.

    Ends after SIGTERM or SIGINT, when the messages under way are sent; must be called in the
    main thread. ``say`` prints a line.
    """
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()
        # The second time whoever asks does not want to wait.
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    journal = _Journal(say)
    threads = [
        threading.Thread(
            target=_run, args=(stopping, poll, journal), name=f"resend-confirmation-courier-{n}"
        )
        for n in range(concurrency)
    ]
    say(f"couriers: {concurrency}")
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            # Python handles signals between two waits.
            thread.join(1.0)
    say("stopped")


def _run(stopping: threading.Event, poll: float, journal: _Journal) -> None:
    while not stopping.is_set():
        engine.drain_all(stopping, journal.note)
        stopping.wait(poll * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311
