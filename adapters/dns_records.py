"""Text records by dnspython. It asks the resolvers of the installation, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from application.ports import Unavailable

LOOKUP_SECONDS = 5.0
"""The longest time of a lookup, whatever the number of resolvers."""

TRY_SECONDS = 2.0
"""The longest time until a resolver has answered; then the next one is asked."""


@dataclass(frozen=True, slots=True)
class NameServer:
    """A resolver: its IP address and port."""

    address: str
    port: int = 53


class DnsTextRecords:
    """Implements `application.ports.TextRecords`. `servers`: the resolvers; none: those of the operating system."""

    def __init__(self, servers: Sequence[NameServer] = ()) -> None:
        self._servers = servers

    async def texts(self, name: str) -> list[str]:
        """See `TextRecords`."""
        try:
            answer = await self._resolver().resolve(dns.name.from_text(name), "TXT", search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.LabelTooLong, dns.name.NameTooLong):
            return []
        except (dns.exception.DNSException, OSError):
            raise Unavailable("DNS") from None
        return [b"".join(record.strings).decode(errors="replace") for record in answer]

    def _resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=not self._servers)
        if self._servers:
            resolver.nameservers = [
                dns.nameserver.Do53Nameserver(server.address, server.port) for server in self._servers
            ]
        resolver.timeout, resolver.lifetime = TRY_SECONDS, LOOKUP_SECONDS
        return resolver
