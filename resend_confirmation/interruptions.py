"""Delay of signals and exceptions from outside until a message is finished.

A signal's handler may raise between any two instructions of the main thread. Examples are Celery's
soft time limit and ``KeyboardInterrupt``. If it raised between the hand-over and the mark, the
message would be sent again.
"""

import signal
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

#: Signals that request the end of a process. A second one takes effect at once.
ENDING = {
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if (number := getattr(signal, name, None)) is not None
}

_active = threading.local()


class Held:
    """Context that delays signals, and exceptions raised from outside, until its end.

    Only the outermost context of a thread has an effect. Signals are delayed in the main thread,
    the only one that receives them. They are delayed if they have a Python handler or would end the
    process.
    """

    def __init__(self) -> None:
        self._errors: list[BaseException] = []
        self._waiting: list[int] = []
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "Held":
        outer: Held | None = getattr(_active, "held", None)
        if outer is not None:
            return outer
        _active.held = self
        if threading.current_thread() is threading.main_thread():
            for number in signal.valid_signals():
                self._replace_handler(number)
        return self

    def __exit__(self, *_: object) -> None:
        if getattr(_active, "held", None) is not self:
            return
        self.must_end()
        _active.held = None
        self._restore_handlers()
        for number in self._waiting:
            signal.raise_signal(number)
        if self._errors:
            raise self._errors[0]

    @property
    def is_waiting(self) -> bool:
        """True if a signal or an exception is held back."""
        return bool(self._errors or self._waiting)

    def must_end(self) -> bool:
        """Call the handlers of received signals; return whether the round must end.

        It must if an exception or a signal waits for the end of the context. Call this between two
        messages.
        """
        for number in [each for each in self._waiting if callable(self._handlers[each])]:
            self._waiting.remove(number)
            try:
                self._handlers[number](number, None)
            except BaseException as error:
                self.keep(error)
        return self.is_waiting

    def keep(self, error: BaseException) -> None:
        """Hold ``error`` back until the end of the context."""
        self._errors.append(error)

    def _replace_handler(self, number: int) -> None:
        handler = signal.getsignal(number)
        if callable(handler) or (number in ENDING and handler is signal.SIG_DFL):
            # Some servers do not let an application handle signals.
            with suppress(ValueError, OSError):
                signal.signal(number, self._delay)
                self._handlers[number] = handler

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == self._delay:
                signal.signal(number, handler)

    def _delay(self, number: int, frame: FrameType | None) -> None:
        if number not in self._waiting:
            self._waiting.append(number)
        elif number in ENDING:
            self._restore_handlers()
            for _ in range(2):
                signal.raise_signal(number)


def keep(error: BaseException) -> bool:
    """Hold ``error`` back until the end of this thread's context. Return False if it has none."""
    held: Held | None = getattr(_active, "held", None)
    if held is not None:
        held.keep(error)
    return held is not None
