"""Draining: resolve what was asked, then let the courier carry what is due."""

from collections.abc import Callable
from dataclasses import dataclass

from .. import courier
from .resolving import resolve


@dataclass(frozen=True, slots=True)
class Tally:
    """What was done: asks resolved, messages accepted, messages not accepted, queue paused."""

    resolved: int = 0
    sent: int = 0
    unsent: int = 0
    paused: bool = False

    @property
    def idle(self) -> bool:
        """Whether calling again at once would do nothing."""
        return self.paused or not (self.resolved or self.sent or self.unsent)


def drain(limit: int = 100, is_stopping: Callable[[], bool] = lambda: False) -> Tally:
    """Resolve and carry up to ``limit`` due rows each; call it again until it is idle.

    Safe in any number of processes at once. ``is_stopping`` is asked between messages.
    """
    resolved = resolve(limit)
    done = courier.carry(limit, is_stopping)
    return Tally(resolved, done.sent, done.unsent, done.paused)
