"""Backoff between the attempts of a delivery."""

import random
from datetime import timedelta

#: The waits before attempts 2, 3, …; after the last one the delivery fails.
SCHEDULE = [
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=2),
]
#: Maximum share of a wait that is added at random, so that retries do not all reach a recovering
#: server at once.
JITTER = 0.2
#: The shortest and the longest wait during an outage of one of the site's servers.
SHORTEST, LONGEST = timedelta(seconds=30), timedelta(minutes=30)


def wait_after(attempts: int) -> timedelta | None:
    """Return the wait after this number of attempts, without jitter, or None after the last."""
    return SCHEDULE[attempts - 1] if attempts <= len(SCHEDULE) else None


def with_jitter(wait: timedelta) -> timedelta:
    """Return ``wait``, lengthened by a random jitter."""
    return wait * random.uniform(1.0, 1.0 + JITTER)  # noqa: S311


def wait_for_outage(age: timedelta) -> timedelta:
    """Return the wait for a row of this age during an outage of one of the site's servers."""
    return min(max(SHORTEST, age / 4), LONGEST)
