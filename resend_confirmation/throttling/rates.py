"""Rate limits with a sliding window, counted in a cache.

django-ratelimit makes the keys and parses the rates, so its settings apply here too. It counts in
fixed windows: around the change from one window to the next, twice the rate gets through. Here a
period is divided into parts, and the newest parts are added up.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, Protocol

from django_ratelimit import ALL
from django_ratelimit.core import _make_cache_key, _split_rate

from .redis_counts import RedisCounts

#: Parts of a period. A call counts for one period, or for up to one part less. Each part is a key
#: that every request reads.
PARTS = 6


class Cache(Protocol):
    """The three methods of Django's caches that are needed for counting."""

    def get_many(self, keys: Collection[str]) -> Mapping[str, int]: ...
    def add(self, key: str, value: int, timeout: float | None) -> bool: ...
    def incr(self, key: str) -> int: ...


class CacheLostError(Exception):
    """The cache neither stored a count nor raised an error."""


class Exceeded(NamedTuple):
    """A limit that was exceeded: its number of calls, and whole seconds until the next one."""

    limit: int
    retry_after: int


class Limit(NamedTuple):
    """A limit of ``calls`` in ``period`` seconds for one network in one group of calls."""

    calls: int
    period: int
    #: The length of a part, in seconds.
    part: float
    key: str

    @classmethod
    def of(cls, group: str, network: str, rate: str, factor: int = 1) -> "Limit":
        """Return the limit of ``factor`` times ``rate``."""
        calls, period = _split_rate(rate)
        key = _make_cache_key(f"resend_confirmation.{group}", "", rate, network, ALL)
        return cls(calls * factor, period, period / PARTS, key)

    def keys(self, now: float) -> list[str]:
        """Return the keys of the parts that count at ``now``, the newest first."""
        newest = int(now / self.part)
        return [f"{self.key}:{newest - age}" for age in range(PARTS)]

    def exceeded(self, found: list[int], now: float) -> Exceeded | None:
        """Return an Exceeded if one call more than ``found`` would be too many, else None."""
        excess = sum(found) - self.calls
        if excess < 0:
            return None
        newest = int(now / self.part)
        for age in range(PARTS - 1, -1, -1):  # pragma: no branch - the sum is above the excess
            excess -= found[age]
            if excess < 0:
                break
        free_at = (newest - age + PARTS) * self.part
        return Exceeded(self.calls, max(1, math.ceil(round(free_at - now, 3))))


def count(cache: Cache | RedisCounts, limits: Sequence[Limit]) -> tuple[Exceeded, ...]:
    """Count one call for each of ``limits``, or return those that it would exceed.

    Except in a race, a refused call is not counted: a retry does not lengthen the wait, and does
    not use up the limits of the wider networks. Exceptions of the cache are not caught.
    """
    now = time.time()
    keys = [limit.keys(now) for limit in limits]
    known = cache.get_many(list(chain.from_iterable(keys)))
    found = [[known.get(key) or 0 for key in each] for each in keys]
    if exceeded := _exceeded(limits, found, now):
        return exceeded
    newest = [each[0] for each in keys]
    if isinstance(cache, RedisCounts):
        totals = cache.incr_all(
            {key: limit.period + 1 for key, limit in zip(newest, limits, strict=True)}
        )
    else:
        each_ = zip(newest, limits, found, strict=True)
        totals = [_add(cache, key, limit, is_new=not counts[0]) for key, limit, counts in each_]
    for counts, total in zip(found, totals, strict=True):
        # Others may have counted since the read. The new count decides, so that a race lets no
        # extra call through.
        counts[0] = total - 1
    return _exceeded(limits, found, now)


def _exceeded(
    limits: Sequence[Limit], found: Sequence[list[int]], now: float
) -> tuple[Exceeded, ...]:
    all_ = [limit.exceeded(counts, now) for limit, counts in zip(limits, found, strict=True)]
    return tuple(filter(None, all_))


def _add(cache: Cache, key: str, limit: Limit, *, is_new: bool) -> int:
    lifetime = limit.period + 1
    if is_new and cache.add(key, 1, lifetime):
        return 1
    try:
        total: int | None = cache.incr(key)
    except ValueError:
        # The count may have been evicted since the read. If it cannot be added either, the cache
        # stores nothing.
        total = 1 if cache.add(key, 1, lifetime) else None
    if not total:
        raise CacheLostError
    return total


class Memory:
    """A cache of at most ``most`` counts in memory; the least recently used are evicted first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, int] = OrderedDict()

    def get_many(self, keys: Collection[str]) -> Mapping[str, int]:
        """Return the counts that exist."""
        found = {}
        with self._lock:
            for key in keys:
                if key in self._counts:
                    found[key] = self._counts[key]
                    self._counts.move_to_end(key)
        return found

    def add(self, key: str, value: int, timeout: float | None = None) -> bool:
        """Add a count and return True, or return False if it exists; ``timeout`` is ignored."""
        with self._lock:
            if key in self._counts:
                return False
            self._counts[key] = value
            if len(self._counts) > self._most:
                self._counts.popitem(last=False)
        return True

    def clear(self) -> None:
        """Forget all counts."""
        with self._lock:
            self._counts.clear()

    def incr(self, key: str) -> int:
        """Increment a count; raise ValueError for an unknown key."""
        with self._lock:
            if key not in self._counts:
                raise ValueError(key)
            self._counts[key] += 1
            return self._counts[key]
