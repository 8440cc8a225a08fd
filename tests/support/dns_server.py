"""A DNS server on loopback, by dnslib: another implementation than the client's."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from errno import EADDRINUSE
from typing import Any

from dnslib import QTYPE, RCODE, RR, TXT
from dnslib.server import DNSLogger, DNSServer

Strings = Sequence[bytes]
"""The strings of one text record, each of 255 bytes at most."""

HOST = "127.0.0.1"


class Zone:
    """What the server answers. `records`: by name in lower case; `broken`: names that it fails for (SERVFAIL)."""

    def __init__(self) -> None:
        self.records: dict[str, list[Strings]] = {}
        self.broken: set[str] = set()
        self.other: dict[str, str] = {}
        """Addresses of names, which have no text record."""
        self.asked: list[str] = []

    def resolve(self, request: Any, handler: Any) -> Any:
        """Answer a request. dnslib calls this."""
        name = str(request.q.qname).rstrip(".").lower()
        self.asked.append(name)
        reply = request.reply()
        if name in self.broken:
            reply.header.rcode = RCODE.SERVFAIL
        elif name in self.records and request.q.qtype == QTYPE.TXT:
            for strings in self.records[name]:
                reply.add_answer(RR(request.q.qname, QTYPE.TXT, ttl=0, rdata=TXT([*strings])))
        elif name not in self.other:
            reply.header.rcode = RCODE.NXDOMAIN
        return reply


@contextmanager
def dns_server(zone: Zone) -> Iterator[int]:
    """Serve a zone by UDP and TCP; return the port."""
    with ExitStack() as stack:
        servers = _bound(zone)
        for server in servers:
            stack.callback(server.server.server_close)
            server.start_thread()
            stack.callback(server.stop)
        yield int(servers[0].server.server_address[1])


def _bound(zone: Zone) -> list[Any]:
    """Return a server by TCP and one by UDP, on one port. What is free for one may be taken for the other."""
    quiet = DNSLogger(log="-request,-reply,-truncated,-error", prefix=False, logf=lambda _: None)
    while True:
        by_tcp = DNSServer(zone, address=HOST, port=0, tcp=True, logger=quiet)
        try:
            port = by_tcp.server.server_address[1]
            return [by_tcp, DNSServer(zone, address=HOST, port=port, logger=quiet)]
        except OSError as error:
            by_tcp.server.server_close()
            if error.errno != EADDRINUSE:
                raise


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes requests and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        yield silent.getsockname()[1]
