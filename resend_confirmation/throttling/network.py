"""The networks that a request comes from, however its caller fills in the headers."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from django.http import HttpRequest

from .. import conf

#: Bits that name a network, and how many times a rate all of it may have. A subscriber is given
#: an IPv6 /64, /56 or /48 (RFC 6177), so that changing the address within it must not help. An
#: IPv4 address may have many people behind it, and a /24 as many times more: it counts last.
IPV6_PREFIXES = {64: 1, 56: 2, 48: 4}
IPV4_PREFIXES = {32: 1, 24: 8}
#: The well-known prefix of translators (RFC 6052): all of IPv4, seen by a site that has IPv6 alone.
_TRANSLATED = IPv6Network("64:ff9b::/96")


def network(request: HttpRequest) -> str:
    """Return the smallest network of a request: an IPv4 address, or an IPv6 /64."""
    return next(iter(networks(request)))


def networks(request: HttpRequest) -> dict[str, int]:
    """Return the networks of a request, the smallest first, with the multiple of a rate for each.

    The address is the socket's peer, or, behind TRUSTED_PROXIES proxies, the one that the
    outermost of them saw: counted from the right of X-Forwarded-For, since a caller writes the
    left. Several such headers count as one, in their order (RFC 9110, section 5.3).
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
        # Some proxies write the port as well: 192.0.2.1:4711, [2001:db8::1]:4711.
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
    """Return the IPv4 address that an IPv6 address stands for, if it does.

    Without it all of IPv4 would share one /64 (``::ffff:0:0/96``, ``64:ff9b::/96``), or one
    owner of an IPv4 address would have 65,536 of them (6to4, RFC 3056).
    """
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
