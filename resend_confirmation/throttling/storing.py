"""The network of a caller, for the bounds of what it can have stored."""

from collections.abc import Iterator

from django.http import HttpRequest

from .. import conf
from . import throttle
from .network import networks
from .rates import Limit, Memory, count

#: How long an ask counts when the backlog is full, by which time it is resolved or shed.
LATELY = "10m"
#: Counts that one process keeps of late; the least recent go first.
MOST_COUNTS = 100_000

#: This process's own; tests replace them.
lately = Memory(MOST_COUNTS)


class Caller:
    """The networks of one request to a dialect; see ``engine.backlog``."""

    def __init__(self, request: HttpRequest, dialect: str) -> None:
        self._request = request
        self._is_throttled = conf.get().throttle(dialect) is not None and throttle.is_on()

    def may_store(self) -> bool:
        """Count together with all processes; a dialect without a throttle has no bound."""
        rate = conf.get().QUIET_REQUESTS_PER_NETWORK
        if rate is None or not self._is_throttled:
            return True
        return not throttle.counted(self._limits("asks", rate))

    def is_modest(self, few: int) -> bool:
        """Count in this process alone, which sees its part of every flood."""
        return not count(lately, self._limits("lately", f"{few}/{LATELY}"))

    def _limits(self, group: str, rate: str) -> Iterator[Limit]:
        for network, factor in networks(self._request).items():
            yield Limit(group, network, rate, factor)
