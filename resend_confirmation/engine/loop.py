"""The courier's loop: resolve the due requests, then let the courier send the due deliveries."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from typing import Any

from django.db import close_old_connections, connections
from django.views.decorators.debug import sensitive_variables

from .. import courier, failures
from ..courier import Sender, Tally
from ..interruptions import Held
from . import records, retention, selections
from .resolution import resolve

#: Maximum number of requests, and of deliveries, in one round.
BATCH = 100


def drain(
    limit: int = BATCH,
    is_stopping: Callable[[], bool] = lambda: False,
    sender: Sender | None = None,
) -> Tally:
    """Resolve up to ``limit`` requests and process up to ``limit`` deliveries that are due.

    A batch of a large selection of staff is processed after them. Call it again until the tally is
    idle. It is safe to run concurrently in any number of processes. ``is_stopping`` is called
    between messages. ``sender`` keeps its mail connection for later calls.
    """
    send_due = sender.send_due if sender else courier.send_due
    done = Tally(resolved=resolve(limit)) + send_due(limit, is_stopping)
    records.write()
    return replace(done, selected=selections.advance())


def rounds(limit: int = BATCH, is_stopping: Callable[[], bool] = lambda: False) -> Iterator[Tally]:
    """Drain round after round and yield each tally, until one is idle; prune from time to time."""
    with Sender() as sender:
        while not is_stopping():
            done = drain(limit, is_stopping, sender)
            yield done
            retention.sweep(is_stopping)
            if done.idle:
                break


@sensitive_variables()
def drain_all(
    stopping: Event,
    tell: Callable[[Tally], Any] = lambda done: None,
    between: Callable[[], Any] = lambda: None,
) -> Tally:
    """Drain until idle and return the sums; for a thread, a task or a process of the courier.

    The thread's database connections are closed at the end. Errors are logged and end the drain:
    the rows stay due. ``tell`` is called with the tally of each round, ``between`` between two
    messages. An exception raised by a signal handler ends the drain between two messages, and is
    then raised.
    """
    sums = Tally()

    def is_stopping() -> bool:
        between()
        return held.must_end() or stopping.is_set()

    with Held() as held:
        close_old_connections()
        try:
            for done in rounds(BATCH, is_stopping):
                sums += done
                tell(done)
        except Exception:
            failures.report("Draining failed; it will be retried")
        finally:
            connections.close_all()
    return sums
