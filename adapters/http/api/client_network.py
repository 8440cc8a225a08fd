"""The network of a client: what limits for each client count by."""

from ipaddress import IPv6Address

from fastapi import Request


def network_of(address: str) -> str:
    """Return what one client has for itself: an IPv4 address, or the first 64 bits of an IPv6 address (RFC 4291)."""
    if ":" not in address:
        return address
    parsed = IPv6Address(address.partition("%")[0])
    return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))


def network_of_client(request: Request) -> str:
    """Return the network of a request's client; empty if it is unknown. Behind a proxy all clients have one."""
    return network_of(request.client.host) if request.client else ""
