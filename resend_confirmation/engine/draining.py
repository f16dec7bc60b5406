"""Draining: resolve the due requests, then let the courier send the due deliveries."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

from django.db import close_old_connections, connections
from django.views.decorators.debug import sensitive_variables

from .. import courier, failures
from ..interruptions import Held
from . import pruning
from .resolving import resolve

#: Maximum number of requests, and of deliveries, in one round.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of requests resolved, and of messages accepted, not accepted and no longer needed.

    ``paused`` is True if the queue is paused.
    """

    resolved: int = 0
    sent: int = 0
    unsent: int = 0
    needless: int = 0
    paused: bool = False

    @property
    def idle(self) -> bool:
        """True if another call right now would do nothing."""
        return self.paused or not self.did_anything

    @property
    def did_anything(self) -> bool:
        """True if there was anything to do."""
        return bool(self.resolved or self.carried)

    @property
    def carried(self) -> int:
        """The number of deliveries processed."""
        return self.sent + self.unsent + self.needless

    def __add__(self, later: "Tally") -> "Tally":
        """Add the counts; take ``paused`` from the later tally."""
        return Tally(
            self.resolved + later.resolved,
            self.sent + later.sent,
            self.unsent + later.unsent,
            self.needless + later.needless,
            later.paused,
        )


def drain(limit: int = BATCH, is_stopping: Callable[[], bool] = lambda: False) -> Tally:
    """Resolve up to ``limit`` requests and process up to ``limit`` deliveries that are due.

    Call it again until the tally is idle. It is safe to run concurrently in any number of
    processes. ``is_stopping`` is called between messages.
    """
    resolved = resolve(limit)
    done = courier.carry(limit, is_stopping)
    return Tally(resolved, done.sent, done.unsent, done.needless, done.paused)


def rounds(limit: int = BATCH, is_stopping: Callable[[], bool] = lambda: False) -> Iterator[Tally]:
    """Drain round after round and yield each tally, until one is idle; prune from time to time."""
    while not is_stopping():
        done = drain(limit, is_stopping)
        yield done
        pruning.sweep(is_stopping)
        if done.idle:
            break


@sensitive_variables()
def drain_all(stopping: Event, tell: Callable[[Tally], Any] = lambda done: None) -> Tally:
    """Drain until idle and return the sums; for a thread, a task or a process of the courier.

    The thread's database connections are closed at the end. Errors are logged and end the drain:
    the rows stay due. ``tell`` is called with the tally of each round. An exception raised by a
    signal handler ends the drain between two messages, and is then raised.
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
