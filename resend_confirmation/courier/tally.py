"""Counts of what a round of the courier did."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of requests resolved, and of messages accepted, not accepted and no longer needed.

    ``paused`` is True if the queue is paused. ``selected`` counts confirmations of large selections
    that an action of staff was applied to.
    """

    resolved: int = 0
    sent: int = 0
    unsent: int = 0
    skipped: int = 0
    paused: bool = False
    selected: int = 0

    @property
    def idle(self) -> bool:
        """True if another call right now would do nothing."""
        return self.paused or not self.did_anything

    @property
    def did_anything(self) -> bool:
        """True if there was anything to do."""
        return bool(self.resolved or self.processed or self.selected)

    @property
    def processed(self) -> int:
        """The number of deliveries processed."""
        return self.sent + self.unsent + self.skipped

    def __add__(self, later: "Tally") -> "Tally":
        """Add the counts; take ``paused`` from the later tally."""
        return Tally(
            self.resolved + later.resolved,
            self.sent + later.sent,
            self.unsent + later.unsent,
            self.skipped + later.skipped,
            later.paused,
            self.selected + later.selected,
        )
