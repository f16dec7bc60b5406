"""Which network a request comes from, whatever its caller writes into headers."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from django.http import HttpRequest

from ... import conf

#: Bits of an IPv6 address that name a network: what one subscriber is given (RFC 6177).
IPV6_PREFIX = 64
#: The well-known prefix of translators (RFC 6052): all of IPv4, seen by a site that has IPv6 alone.
_TRANSLATED = IPv6Network("64:ff9b::/96")


def network(request: HttpRequest) -> str:
    """The network that a request comes from: an IPv4 address, or an IPv6 /64.

    It is the socket's peer, or, behind TRUSTED_PROXIES proxies, the address that the outermost
    of them saw: counted from the right of X-Forwarded-For, since a caller writes the left. Of
    several such headers servers make one, in their order (RFC 9110, section 5.3).
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
        address = ip_address(peer.partition("%")[0].strip("[]"))
    except ValueError:
        # A Unix socket has no address: all its callers share one count.
        return "unknown"
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        return str(inner or ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for, if it does.

    Without it all of IPv4 would share one /64 (``::ffff:0:0/96``, ``64:ff9b::/96``), or one
    owner of an IPv4 address would have 65,536 of them (6to4, RFC 3056).
    """
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
