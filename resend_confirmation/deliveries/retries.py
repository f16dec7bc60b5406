"""Backoff: how long a delivery waits before its next attempt."""

import random
from datetime import timedelta

#: The waits before attempt 2, 3, …; after the last the delivery has failed.
SCHEDULE = [
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=2),
]
#: The largest part of a wait that is added at random, so that a server that comes back is not
#: overrun.
JITTER = 0.2
#: The shortest and the longest wait for a server of the site's own.
SHORTEST, LONGEST = timedelta(seconds=30), timedelta(minutes=30)


def wait_after(attempts: int) -> timedelta | None:
    """Return the wait after so many attempts, without jitter, or None if they were the last."""
    return SCHEDULE[attempts - 1] if attempts <= len(SCHEDULE) else None


def with_jitter(wait: timedelta) -> timedelta:
    """Return ``wait``, made longer at random."""
    return wait * random.uniform(1.0, 1.0 + JITTER)  # noqa: S311


def wait_for_outage(age: timedelta) -> timedelta:
    """Return the wait of a row of this age while a server of the site's own is away."""
    return min(max(SHORTEST, age / 4), LONGEST)
