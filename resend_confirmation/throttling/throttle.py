"""The throttle: an approximate limit on the requests of one network, counted in the cache."""

from collections.abc import Iterable

from django.conf import settings as django_settings
from django.core.cache import caches
from django.http import HttpRequest

from .. import conf
from .circuit_breaker import CircuitBreaker
from .network import networks
from .rates import Exceeded, Limit, Memory, count

#: Maximum number of counts in a process while the cache does not work; the least recently used are
#: evicted first.
MOST_COUNTS = 100_000


def check(request: HttpRequest, dialect: str) -> Exceeded | None:
    """Count one request; return an Exceeded if one of its networks made too many.

    Dialects with the same rate are counted together. If there are several rates, all dialects
    with a rate are also counted together, so using several dialects does not raise the limit.
    While the cache does not work, each process counts alone. The cooldown is exact and does not
    depend on the cache.
    """
    settings = conf.get()
    rate = settings.throttle(dialect)
    if rate is None or not is_on():
        return None
    exceeded = counted(
        Limit("throttle", network, each, factor)
        for each in {rate, settings.throttle_of_all() or rate}
        for network, factor in networks(request).items()
    )
    return max(exceeded, key=lambda each: each.retry_after, default=None)


def is_on() -> bool:
    """Return whether django-ratelimit is enabled, by its setting RATELIMIT_ENABLE."""
    return bool(getattr(django_settings, "RATELIMIT_ENABLE", True))


def counted(limits: Iterable[Limit]) -> tuple[Exceeded, ...]:
    """Count in the shared cache, or in this process while the cache does not work."""
    limits = tuple(limits)
    shared = breaker.guard(
        lambda: count(caches[getattr(django_settings, "RATELIMIT_USE_CACHE", "default")], limits)
    )
    return count(counts, limits) if shared is None else shared


#: The state of this process; tests replace it.
counts = Memory(MOST_COUNTS)
breaker = CircuitBreaker()
