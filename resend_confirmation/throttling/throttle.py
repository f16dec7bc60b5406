"""Limits on the requests of one network: the throttle, and the limits on stored requests."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from django.http import HttpRequest

from .. import conf
from .circuit_breaker import CircuitBreaker
from .rates import Cache, Exceeded, Limit, Memory, count
from .redis_counts import RedisCounts

#: Maximum number of limits that a process counts, for the throttle while the cache is in memory or
#: does not work, and for recent stored requests; the least recently used are evicted first.
MOST_COUNTS = 50_000
#: The key of a cache in memory that is missing after the host has cleared the cache.
MARKER = "resend_confirmation.counts"
#: The period in which requests count when the backlog is full. Older requests are no longer in it:
#: they were resolved or dropped.
LATELY = "10m"

#: The length of a network's prefix, and the multiple of a rate that the whole network may use. A
#: subscriber gets an IPv6 /64, /56 or /48 (RFC 6177), so changing the address within it must not
#: help. Many people may share an IPv4 address, and a /24 has many addresses, so its multiple is
#: the largest.
IPV6_PREFIXES = {64: 1, 56: 2, 48: 4}
IPV4_PREFIXES = {32: 1, 24: 8}
#: The well-known prefix of NAT64 (RFC 6052): IPv4 addresses as a site with only IPv6 sees them.
_TRANSLATED = IPv6Network("64:ff9b::/96")

#: Names of networks, each with its multiple of a rate.
Networks = tuple[tuple[str, int], ...]

#: The state of this process; tests replace it.
counts = Memory(MOST_COUNTS)
lately = Memory(MOST_COUNTS)
breaker = CircuitBreaker()


def check(request: HttpRequest, dialect: str) -> Exceeded | None:
    """Count one request; return an Exceeded if one of its networks made too many.

    Dialects with the same rate are counted together. If there are several rates, all dialects
    with a rate are also counted together, so using several dialects does not raise the limit.
    While the cache does not work, each process counts alone. The cooldown is exact and does not
    depend on the cache.
    """
    known = conf.get()
    rate = known.throttle(dialect)
    if rate is None or not is_on():
        return None
    found = networks(request)
    limits = _limits("throttle", found, rate)
    if (all_ := known.throttle_of_all()) != rate:
        limits += _limits("throttle", found, all_)
    exceeded = _counted(limits)
    return max(exceeded, key=lambda each: each.retry_after, default=None)


def is_on() -> bool:
    """Return whether django-ratelimit is enabled, by its setting RATELIMIT_ENABLE."""
    return bool(getattr(settings, "RATELIMIT_ENABLE", True))


@dataclass(slots=True)
class Caller:
    """The networks of one request to a dialect, as ``engine.backlog`` needs them."""

    request: HttpRequest = field(repr=False)
    dialect: str

    def may_store(self) -> bool:
        """Count in the throttle's cache; always return True without a rate or a throttle."""
        known = conf.get()
        rate = known.QUIET_REQUESTS_PER_NETWORK
        if rate is None or known.throttle(self.dialect) is None or not is_on():
            return True
        return not _counted(_limits("requests", networks(self.request), rate))

    def count_below(self, few: int) -> bool:
        """Count in this process only, which sees its share of a flood."""
        return not count(lately, _limits("lately", networks(self.request), f"{few}/{LATELY}"))


@lru_cache(maxsize=4096)
def _limits(group: str, found: Networks, rate: str) -> tuple[Limit, ...]:
    """Return the limits of networks; they are kept, because their keys are digests."""
    return tuple(Limit.of(group, name, rate, factor) for name, factor in found)


def _counted(limits: Sequence[Limit]) -> tuple[Exceeded, ...]:
    """Count in the shared cache, or in this process while the cache does not work."""
    shared = breaker.guard(lambda cache: count(_counter(cache), limits))
    return count(counts, limits) if shared is None else shared


def _counter(cache: BaseCache) -> Cache | RedisCounts | Memory:
    """Return what counts in ``cache``: Django's cache in memory would pickle each count.

    The counts in its place are forgotten when the host clears its cache, as its tests may do.
    """
    if isinstance(cache, RedisCache):
        return RedisCounts(cache)
    if type(cache) is not LocMemCache:
        return cache
    if cache.get(MARKER) is None and cache.add(MARKER, 1, None):
        counts.clear()
    return counts


def network(request: HttpRequest) -> str:
    """Return the smallest network of a request: an IPv4 address, or an IPv6 /64."""
    return networks(request)[0][0]


def networks(request: HttpRequest) -> Networks:
    """Return the networks of a request, the smallest first, with the multiple of a rate for each.

    The address is that of the socket's peer. Behind TRUSTED_PROXIES proxies, it is the address
    that the outermost proxy saw. It is counted from the right end of X-Forwarded-For, since the
    caller can write the left end. Several such headers count as one, in their order (RFC 9110,
    section 5.3).
    """
    peer = request.META.get("REMOTE_ADDR", "")
    proxies = conf.get().TRUSTED_PROXIES
    if proxies:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(hops) >= proxies and hops[-proxies]:
            peer = hops[-proxies]
    return _networks(peer)


@lru_cache(maxsize=4096)
def _networks(peer: str) -> Networks:
    if "]" in peer or peer.count(":") == 1:
        # Some proxies append the port: 192.0.2.1:4711, [2001:db8::1]:4711.
        peer = peer.rpartition(":")[0] if not peer.endswith("]") else peer
    try:
        address = ip_address(peer.partition("%")[0].strip("[]"))
    except ValueError:
        # A Unix socket has no address: all its callers share one count.
        return (("unknown", 1),)
    if isinstance(address, IPv6Address) and (inner := _inner(address)):
        address = inner
    prefixes = IPV6_PREFIXES if isinstance(address, IPv6Address) else IPV4_PREFIXES
    return tuple(
        (str(ip_network((address, bits), strict=False)).removesuffix("/32"), factor)
        for bits, factor in prefixes.items()
    )


def _inner(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address contains, if any.

    Otherwise all of IPv4 would share one /64 (``::ffff:0:0/96``, ``64:ff9b::/96``), or the owner
    of one IPv4 address would have 65,536 networks of size /64 (6to4, RFC 3056).
    """
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
