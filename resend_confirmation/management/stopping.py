"""Signals that stop a command once it has finished its current work."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.core.management import CommandError

from ..interruptions import ENDING


class Stop(threading.Event):
    """Set when the command should end."""

    def __init__(self) -> None:
        super().__init__()
        self.number: int | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal. A second one of the same kind ends the process at once."""
        self.number = number
        self.set()
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Yield an event that a signal to end the process sets.

    Has no effect outside the main thread, which receives the signals. An ignored signal, such as
    SIGHUP under ``nohup``, stays ignored.
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
            # None: the handler was not set from Python and cannot be restored.
            signal.signal(number, signal.SIG_DFL if was is None else was)


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Yield the same event; after a signal end the command with the exit code of shells."""
    with stop_on_signals() as stop:
        yield stop
        if stop.number is not None:
            name = signal.Signals(stop.number).name
            raise CommandError(f"Stopped by {name}.", returncode=128 + stop.number)
