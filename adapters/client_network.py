"""The network of the client whose request runs: what is limited or shared is counted by it."""

from contextvars import ContextVar
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

client_network: ContextVar[str] = ContextVar("client_network", default="")
"""Set for each request; empty without a request, or if the address is unknown."""

MAX_KNOWN_ADDRESSES = 4_096
"""Addresses whose networks and ranges are remembered: each request asks for them."""


@lru_cache(MAX_KNOWN_ADDRESSES)
def network_of(address: str) -> str:
    """Return what one client has for itself: an IPv4 address, or the first 64 bits of an IPv6 address (RFC 4291).

    Of a text that is no address the network is unknown.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))


@lru_cache(MAX_KNOWN_ADDRESSES)
def range_of(network: str) -> str:
    """Return the range around a network that one owner can get cheaply: 256 IPv4 addresses, or a /48 of IPv6."""
    if not network:
        return ""
    return str(ip_network(f"{network}/{48 if ':' in network else 24}", strict=False))
