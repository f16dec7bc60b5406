"""Draining: resolve what was asked, then let the courier carry what is due."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

from django.db import close_old_connections, connections
from django.views.decorators.debug import sensitive_variables

from .. import courier, failures
from ..courier.interruptions import Held
from . import pruning
from .resolving import resolve

#: Rows that one round takes on.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Tally:
    """What was done: asks resolved, messages accepted, not accepted, no longer needed; paused."""

    resolved: int = 0
    sent: int = 0
    unsent: int = 0
    needless: int = 0
    paused: bool = False

    @property
    def idle(self) -> bool:
        """Whether calling again at once would do nothing."""
        return self.paused or not self.did_anything

    @property
    def did_anything(self) -> bool:
        """Whether there was anything to do."""
        return bool(self.resolved or self.carried)

    @property
    def carried(self) -> int:
        """Deliveries that were dealt with."""
        return self.sent + self.unsent + self.needless

    def __add__(self, later: "Tally") -> "Tally":
        """Both together; paused is what the later one was."""
        return Tally(
            self.resolved + later.resolved,
            self.sent + later.sent,
            self.unsent + later.unsent,
            self.needless + later.needless,
            later.paused,
        )


def drain(limit: int = BATCH, is_stopping: Callable[[], bool] = lambda: False) -> Tally:
    """Resolve and carry up to ``limit`` due rows each; call it again until it is idle.

    Safe in any number of processes at once. ``is_stopping`` is asked between messages.
    """
    resolved = resolve(limit)
    done = courier.carry(limit, is_stopping)
    return Tally(resolved, done.sent, done.unsent, done.needless, done.paused)


def rounds(limit: int = BATCH, is_stopping: Callable[[], bool] = lambda: False) -> Iterator[Tally]:
    """Drain round after round, telling of each, until one was idle; prune now and then."""
    while not is_stopping():
        done = drain(limit, is_stopping)
        yield done
        pruning.sweep(is_stopping)
        if done.idle:
            break


@sensitive_variables()
def drain_all(stopping: Event, tell: Callable[[Tally], Any] = lambda done: None) -> Tally:
    """What a thread, a task or a process of the courier's own does: drain until it is idle.

    It takes a database connection of its own and closes it. Whatever goes wrong is logged, for
    the rows stay due. ``tell`` hears of each round. Returns the sums. What a signal's handler
    raises ends it between two messages, and is raised.
    """
    sums = Tally()
    with Held() as held:
        close_old_connections()
        try:
            for done in rounds(BATCH, lambda: held.is_to_end() or stopping.is_set()):
                sums += done
                tell(done)
        except Exception:
            failures.report("Draining failed; it will be retried")
        finally:
            connections.close_all()
    return sums
