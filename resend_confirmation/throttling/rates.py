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


def count(cache: "Cache | RedisCounts | Memory", limits: Sequence[Limit]) -> tuple[Exceeded, ...]:
    """Count one call for each of ``limits``, or return those that it would exceed.

    Except in a race, a refused call is not counted: a retry does not lengthen the wait, and does
    not use up the limits of the wider networks. Exceptions of the cache are not caught.
    """
    now = time.time()
    if isinstance(cache, Memory):
        return cache.count(limits, now)
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
    """The counts of at most ``most`` limits in this process; the least recently used go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        #: The newest part of each limit, and the counts of its parts, the newest first.
        self._windows: OrderedDict[str, tuple[int, list[int]]] = OrderedDict()

    def count(self, limits: Sequence[Limit], now: float) -> tuple[Exceeded, ...]:
        """Count one call for each of ``limits``, or return those that it would exceed."""
        with self._lock:
            found = [self._counts(limit, now) for limit in limits]
            exceeded = _exceeded(limits, found, now)
            if not exceeded:
                for counts in found:
                    counts[0] += 1
            return exceeded

    def clear(self) -> None:
        """Forget all counts."""
        with self._lock:
            self._windows.clear()

    def _counts(self, limit: Limit, now: float) -> list[int]:
        windows, newest = self._windows, int(now / limit.part)
        known = windows.get(limit.key)
        if known and known[0] == newest:
            windows.move_to_end(limit.key)
            return known[1]
        age = newest - known[0] if known else PARTS
        kept = known[1][: PARTS - age] if known and 0 < age < PARTS else []
        counts = [0] * (PARTS - len(kept)) + kept
        windows[limit.key] = newest, counts
        windows.move_to_end(limit.key)
        if len(windows) > self._most:
            windows.popitem(last=False)
        return counts
