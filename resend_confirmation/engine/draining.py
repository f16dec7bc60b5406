"""Draining: resolve what was asked, then let the courier carry what is due."""

from dataclasses import dataclass

from .. import courier
from .resolving import resolve


@dataclass(frozen=True, slots=True)
class Tally:
    """What one drain did: asks resolved, messages accepted, messages not accepted."""

    resolved: int = 0
    sent: int = 0
    unsent: int = 0

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.resolved or self.sent or self.unsent)


def drain(limit: int = 100) -> Tally:
    """Resolve and carry up to ``limit`` due rows each; call it again while it does anything.

    Safe in any number of processes at once.
    """
    resolved = resolve(limit)
    sent, unsent = courier.carry(limit)
    return Tally(resolved, sent, unsent)
