"""DNS: the resolvers that are asked for the records of domains."""

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field

from adapters.dns_records import NameServer
from infra.settings.subject import Subject

_WITH_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[^:]+)):(?P<port>[0-9]{1,5})")


def _server(text: str) -> NameServer:
    """Return a resolver from `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`. Raises `ValueError`."""
    found = _WITH_PORT.fullmatch(text)
    address, port = (text, 53) if found is None else (found["v6"] or found["v4"], int(found["port"]))
    if not 1 <= port <= 65_535:
        raise ValueError("no port")
    return NameServer(str(ip_address(address)), port)


def _check(text: str) -> str:
    try:
        for part in filter(None, text.split(",")):
            _server(part.strip())
    except ValueError:
        raise ValueError("is not a list like 9.9.9.9,[2620:fe::fe]:53: IP addresses, perhaps with ports") from None
    return text


class DnsSettings(Subject):
    """The resolvers."""

    servers: Annotated[str, AfterValidator(_check)] = Field(
        "",
        validation_alias="PALIMPSEST_DNS_SERVERS",
        description="Resolvers for the records that prove domains: IP addresses, separated by commas, perhaps with "
        "ports; empty: those of the operating system",
    )

    @property
    def name_servers(self) -> list[NameServer]:
        """The resolvers; none: those of the operating system."""
        return [_server(part.strip()) for part in self.servers.split(",") if part.strip()]
