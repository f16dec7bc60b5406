"""Sliding windows: how often something happened in the last period, counted in a cache.

django-ratelimit names the keys and reads the rates, so that its settings hold here as well. Its
own count begins again at the end of each period, and so lets twice the rate through at that
moment; here a period has parts, and the newest of them are added up.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from django_ratelimit import ALL
from django_ratelimit.core import _make_cache_key, _split_rate

#: Parts of a period. A call counts for a period, or for up to one part less.
PARTS = 15


class Cache(Protocol):
    """The three methods of Django's caches that count."""

    def get_many(self, keys: Collection[str]) -> Mapping[str, int]: ...
    def add(self, key: str, value: int, timeout: float | None) -> bool: ...
    def incr(self, key: str) -> int: ...


class CacheLostError(Exception):
    """The cache neither kept a count nor raised an error."""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The rate's number of calls, and the whole seconds until the next one counts."""

    limit: int
    retry_after: int


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``factor`` times ``rate`` for one network in one group of calls."""

    group: str
    network: str
    rate: str
    factor: int = 1
    calls: int = field(init=False)
    period: int = field(init=False)
    _key: str = field(init=False)

    def __post_init__(self) -> None:
        calls, period = _split_rate(self.rate)
        object.__setattr__(self, "calls", calls * self.factor)
        object.__setattr__(self, "period", period)
        name = f"resend_confirmation.{self.group}"
        object.__setattr__(self, "_key", _make_cache_key(name, "", self.rate, self.network, ALL))

    @property
    def part(self) -> float:
        """The seconds of one part."""
        return self.period / PARTS

    def keys(self, now: float) -> list[str]:
        """Return the keys of the parts that count at ``now``, the newest first."""
        newest = int(now / self.part)
        return [f"{self._key}:{newest - age}" for age in range(PARTS)]

    def exceeded(self, found: list[int], now: float) -> Exceeded | None:
        """Return what to tell the caller if one call more than ``found`` would be too many."""
        excess = sum(found) - self.calls
        if excess < 0:
            return None
        newest = int(now / self.part)
        for age in range(PARTS - 1, -1, -1):
            excess -= found[age]
            if excess < 0:
                break
        free_at = (newest - age + PARTS) * self.part
        return Exceeded(self.calls, max(1, math.ceil(round(free_at - now, 3))))


def count(cache: Cache, limits: Iterable[Limit]) -> tuple[Exceeded, ...]:
    """Count one call for each of ``limits``, or return those that it would exceed.

    A call that is refused is not counted: neither does its caller wait longer for asking again,
    nor does it use up what the wider networks have. Raises whatever the cache raises.
    """
    now = time.time()
    keys = {limit: limit.keys(now) for limit in limits}
    known = cache.get_many([key for each in keys.values() for key in each])
    found = {limit: [known.get(key) or 0 for key in each] for limit, each in keys.items()}
    if exceeded := _exceeded(found, now):
        return exceeded
    for limit, counts in found.items():
        # Others may have counted since: the new count tells, so that a race lets nothing through.
        counts[0] = _add(cache, keys[limit][0], limit, is_new=not counts[0]) - 1
    return _exceeded(found, now)


def _exceeded(found: Mapping[Limit, list[int]], now: float) -> tuple[Exceeded, ...]:
    all_ = (limit.exceeded(counts, now) for limit, counts in found.items())
    return tuple(each for each in all_ if each)


def _add(cache: Cache, key: str, limit: Limit, *, is_new: bool) -> int:
    lifetime = limit.period + 1
    if is_new and cache.add(key, 1, lifetime):
        return 1
    try:
        total: int | None = cache.incr(key)
    except ValueError:
        # Unless it was evicted since it was read, the cache keeps nothing.
        total = 1 if cache.add(key, 1, lifetime) else None
    if not total:
        raise CacheLostError
    return total


class Memory:
    """A cache in this process's memory, of at most ``most`` counts; the least recent go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, int] = OrderedDict()

    def get_many(self, keys: Collection[str]) -> Mapping[str, int]:
        """Return the counts that there are."""
        with self._lock:
            found = {key: self._counts[key] for key in keys if key in self._counts}
            for key in found:
                self._counts.move_to_end(key)
        return found

    def add(self, key: str, value: int, timeout: float | None = None) -> bool:
        """Begin a count; they end when the memory is full."""
        with self._lock:
            if key in self._counts:
                return False
            self._counts[key] = value
            if len(self._counts) > self._most:
                self._counts.popitem(last=False)
        return True

    def incr(self, key: str) -> int:
        """Count one more; ValueError for a key that there is not."""
        with self._lock:
            if key not in self._counts:
                raise ValueError(key)
            self._counts[key] += 1
            return self._counts[key]

    def __len__(self) -> int:
        return len(self._counts)
