"""The throttle: too many requests from one network, counted approximately in the cache."""

from collections.abc import Iterable

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest

from .. import conf
from .circuit_breaker import CircuitBreaker
from .network import networks
from .rates import Exceeded, Limit, Memory, count

#: Counts that one process keeps while the cache is out of order; the least recent go first.
MOST_COUNTS = 100_000


def check(request: HttpRequest, dialect: str) -> Exceeded | None:
    """Count one request; Exceeded when one of its networks made too many.

    Dialects of one rate count together, and where there are several rates all dialects do so as
    well: asking by many gives no more. With the cache out of order each process counts alone;
    the cooldown, which is exact, holds regardless.
    """
    rate, of_all = conf.get().throttle(dialect), conf.get().throttle_of_all()
    if rate is None or of_all is None or not is_on():
        return None
    exceeded = counted(
        Limit("throttle", network, each, factor)
        for each in {rate, of_all}
        for network, factor in networks(request).items()
    )
    return max(exceeded, key=lambda each: each.retry_after, default=None)


def is_on() -> bool:
    """Return whether django-ratelimit's own switch lets anything be counted."""
    return bool(getattr(settings, "RATELIMIT_ENABLE", True))


def counted(limits: Iterable[Limit]) -> tuple[Exceeded, ...]:
    """Count in the cache that all processes share, or here while that is out of order."""
    limits = tuple(limits)
    shared = breaker.guard(
        lambda: count(caches[getattr(settings, "RATELIMIT_USE_CACHE", "default")], limits)
    )
    return count(counts, limits) if shared is None else shared


#: This process's own; tests replace them.
counts = Memory(MOST_COUNTS)
breaker = CircuitBreaker()
