"""Signals that ask a command to end: it finishes what it has begun, and says how far it came."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.core.management import CommandError

from ..courier.interruptions import ENDING


class Stop(threading.Event):
    """Set when the command is to end."""

    def __init__(self) -> None:
        super().__init__()
        self.number: int | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; the next one of its kind ends the process at once."""
        self.number = number
        self.set()
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def heeding() -> Iterator[Stop]:
    """Yield what is set by a signal that asks to end.

    Without an effect outside the main thread, which alone gets signals. One that is ignored, as
    SIGHUP is under ``nohup``, stays so.
    """
    stop = Stop()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in ENDING}
    before = {number: was for number, was in before.items() if was is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop.note)
    try:
        yield stop
    finally:
        for number, was in before.items():
            # None: not set by Python, and not to be set by it.
            signal.signal(number, signal.SIG_DFL if was is None else was)


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Yield the same, and end the command with the exit code of shells if a signal came."""
    with heeding() as stop:
        yield stop
        if stop.number is not None:
            name = signal.Signals(stop.number).name
            raise CommandError(f"Stopped by {name}.", returncode=128 + stop.number)
