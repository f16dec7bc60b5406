"""The throttle: too many requests from one network, counted approximately in the cache."""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage

from ... import conf
from .network import network
from .outage import Outage

#: Counts that one process keeps while the cache is out of order; the least recent go first.
MOST_COUNTS = 10_000

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The rate's number of calls, and the whole seconds until the next one counts."""

    limit: int
    retry_after: int


class CacheLostError(Exception):
    """The cache neither kept nor raised: django-ratelimit's word for it is a limit of 0."""


def check(request: HttpRequest, dialect: str) -> Exceeded | None:
    """Count one request; Exceeded when its network made too many.

    django-ratelimit counts in the cache that it is set to. With that out of order each process
    counts for itself; the cooldown, which is exact, holds regardless.
    """
    rate = conf.get().throttle(dialect)
    if rate is None or not getattr(settings, "RATELIMIT_ENABLE", True):
        return None
    group, caller = f"resend_confirmation.{dialect}", network(request)
    usage = cache_outage.guard(partial(_shared, request, group, caller, rate))
    if usage is None:
        usage = _alone(group, caller, rate)
    if not usage["should_limit"]:
        return None
    return Exceeded(usage["limit"], max(1, usage["time_left"]))


def _shared(request: HttpRequest, group: str, caller: str, rate: str) -> Mapping[str, Any]:
    """What all processes counted together; raises whatever the cache raises."""
    usage: Mapping[str, Any] | None = get_usage(
        request, group=group, key=lambda group, request: caller, rate=rate, increment=True
    )
    # None with RATELIMIT_FAIL_OPEN, else a limit of 0.
    if not usage or not usage["limit"]:
        raise CacheLostError
    return usage


def _alone(group: str, caller: str, rate: str) -> Mapping[str, Any]:
    """What this process counted alone, in the same words."""
    calls, _, every = rate.partition("/")
    period = int(every[:-1] or 1) * _SECONDS[every[-1]]
    now, limit = int(time.time()), int(calls)
    window = now // period
    count = counts.add((group, caller, rate, str(window)))
    time_left = (window + 1) * period - now
    return {"limit": limit, "should_limit": count > limit, "time_left": time_left}


class Counts:
    """Counts in memory, at most ``most`` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def add(self, key: tuple[str, ...]) -> int:
        """One more for ``key``: how many there are now."""
        with self._lock:
            count = self._counts[key] = self._counts.pop(key, 0) + 1
            if len(self._counts) > self._most:
                self._counts.popitem(last=False)
        return count

    def __len__(self) -> int:
        return len(self._counts)


#: This process's own; tests replace them.
counts = Counts(MOST_COUNTS)
cache_outage = Outage()
