"""The throttle: too many requests from one network, counted approximately in the cache."""

import ipaddress
import logging
import time
from dataclasses import dataclass

from django.http import HttpRequest
from django_ratelimit.core import get_usage

from ... import conf

logger = logging.getLogger("resend_confirmation")

#: Seconds for which a broken cache is not logged again.
QUIET_FOR = 60.0
#: Bits of an IPv6 address that name a network: what one subscriber is given (RFC 6177).
IPV6_PREFIX = 64

_last_logged = -QUIET_FOR


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The rate's number of calls, and the whole seconds until the next one counts."""

    limit: int
    retry_after: int


def check(request: HttpRequest, dialect: str) -> Exceeded | None:
    """Count one request; Exceeded when its network made too many.

    With the cache out of order nobody is refused: the cooldown, which is exact, still holds.
    """
    rate = conf.get().throttle(dialect)
    if rate is None:
        return None
    try:
        usage = get_usage(
            request,
            group=f"resend_confirmation.{dialect}",
            key=lambda group, request: network(request),
            rate=rate,
            increment=True,
        )
    except Exception as error:
        _log(type(error).__name__)
        return None
    if usage and not usage["limit"]:
        # The library's word for a cache that did not answer.
        _log("no answer")
        return None
    if not usage or not usage["should_limit"]:
        return None
    return Exceeded(usage["limit"], max(1, usage["time_left"]))


def network(request: HttpRequest) -> str:
    """The network that a request comes from: an IPv4 address, or an IPv6 /64.

    It is the socket's peer, or, behind TRUSTED_PROXIES proxies, the address that the outermost
    of them saw: counted from the right of X-Forwarded-For, since a caller writes the left.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    proxies = conf.get().TRUSTED_PROXIES
    if proxies:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(hops) >= proxies and hops[-proxies]:
            peer = hops[-proxies]
    return _network(peer)


def _network(peer: str) -> str:
    if "]" in peer or peer.count(":") == 1:
        # Some proxies write the port as well: 192.0.2.1:4711, [2001:db8::1]:4711.
        peer = peer.rpartition(":")[0] if not peer.endswith("]") else peer
    try:
        address = ipaddress.ip_address(peer.partition("%")[0].strip("[]"))
    except ValueError:
        # A Unix socket has no address: all its callers share one count.
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
        return str(address.ipv4_mapped)
    return str(address)


def _log(name: str) -> None:
    global _last_logged  # noqa: PLW0603 - one clock per process
    now = time.monotonic()
    if now - _last_logged >= QUIET_FOR:
        _last_logged = now
        logger.warning("The throttle's cache does not work (%s); nobody is throttled", name)
