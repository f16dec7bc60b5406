"""The networks of a caller, for the limits on the requests that are stored for it."""

from collections.abc import Iterator

from django.http import HttpRequest

from .. import conf
from . import throttle
from .network import networks
from .rates import Limit, Memory, count

#: The period in which requests count when the backlog is full. Older requests are no longer in it:
#: they were resolved or dropped.
LATELY = "10m"
#: Maximum number of counts for that period per process; the least recently used are evicted first.
MOST_COUNTS = 100_000

#: The counts of this process; tests replace them.
lately = Memory(MOST_COUNTS)


class Caller:
    """The networks of one request to a dialect, as ``engine.backlog`` needs them."""

    def __init__(self, request: HttpRequest, dialect: str) -> None:
        self._request = request
        self._is_throttled = conf.get().throttle(dialect) is not None and throttle.is_on()

    def may_store(self) -> bool:
        """Count in the throttle's cache; always return True without a rate or a throttle."""
        rate = conf.get().QUIET_REQUESTS_PER_NETWORK
        if rate is None or not self._is_throttled:
            return True
        return not throttle.counted(self._limits("asks", rate))

    def is_modest(self, few: int) -> bool:
        """Count in this process only, which sees its share of a flood."""
        return not count(lately, self._limits("lately", f"{few}/{LATELY}"))

    def _limits(self, group: str, rate: str) -> Iterator[Limit]:
        for network, factor in networks(self._request).items():
            yield Limit(group, network, rate, factor)
