"""The networks that a request comes from; a caller cannot forge them with headers."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from django.http import HttpRequest

from .. import conf

#: The length of a network's prefix, and the multiple of a rate that the whole network may use. A
#: subscriber gets an IPv6 /64, /56 or /48 (RFC 6177), so changing the address within it must not
#: help. Many people may share an IPv4 address, and a /24 has many addresses, so its multiple is
#: the largest.
IPV6_PREFIXES = {64: 1, 56: 2, 48: 4}
IPV4_PREFIXES = {32: 1, 24: 8}
#: The well-known prefix of NAT64 (RFC 6052): IPv4 addresses as a site with only IPv6 sees them.
_TRANSLATED = IPv6Network("64:ff9b::/96")


def network(request: HttpRequest) -> str:
    """Return the smallest network of a request: an IPv4 address, or an IPv6 /64."""
    return next(iter(networks(request)))


def networks(request: HttpRequest) -> dict[str, int]:
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


def _networks(peer: str) -> dict[str, int]:
    if "]" in peer or peer.count(":") == 1:
        # Some proxies append the port: 192.0.2.1:4711, [2001:db8::1]:4711.
        peer = peer.rpartition(":")[0] if not peer.endswith("]") else peer
    try:
        address = ip_address(peer.partition("%")[0].strip("[]"))
    except ValueError:
        # A Unix socket has no address: all its callers share one count.
        return {"unknown": 1}
    if isinstance(address, IPv6Address) and (inner := _inner(address)):
        address = inner
    prefixes = IPV6_PREFIXES if isinstance(address, IPv6Address) else IPV4_PREFIXES
    found = {
        str(ip_network((address, bits), strict=False)): factor for bits, factor in prefixes.items()
    }
    return {name.removesuffix("/32"): factor for name, factor in found.items()}


def _inner(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address contains, if any.

    Otherwise all of IPv4 would share one /64 (``::ffff:0:0/96``, ``64:ff9b::/96``), or the owner
    of one IPv4 address would have 65,536 networks of size /64 (6to4, RFC 3056).
    """
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
