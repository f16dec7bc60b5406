"""The loop that every carrier with a process or thread of its own runs."""

import logging
import random
from threading import Event

from django.db import close_old_connections, connections

from .. import engine

logger = logging.getLogger("resend_confirmation")

BATCH = 100


def drain_all(stopping: Event) -> engine.Tally:
    """Drain until there is nothing due, with a database connection of this call alone.

    Whatever goes wrong is logged, for the rows stay due. Returns the sums.
    """
    sums = engine.Tally()
    close_old_connections()
    try:
        while not stopping.is_set():
            done = engine.drain(BATCH, stopping.is_set)
            sums = engine.Tally(
                sums.resolved + done.resolved,
                sums.sent + done.sent,
                sums.unsent + done.unsent,
                done.paused,
            )
            if done.idle:
                break
    except Exception:
        logger.exception("The courier could not drain; it tries again")
    finally:
        connections.close_all()
    return sums


def pause(stopping: Event, seconds: tuple[float, float]) -> None:
    """Wait for a while drawn by chance, so that many couriers do not look at the same moment."""
    stopping.wait(random.uniform(*seconds))  # noqa: S311
