"""The open connections of a process: a bounded number, shared fairly between client addresses."""

import resource
from collections.abc import Iterator
from typing import Protocol

from adapters.client_network import network_of

MAX_CONNECTIONS = 4_096
FILES_FOR_OTHERS = 256
"""File descriptors that are left for listening sockets, servers and files."""


class PooledConnection(Protocol):
    """A connection. `waiting`: its client has to send something before anything else happens."""

    @property
    def waiting(self) -> bool: ...

    def cut(self) -> None:
        """Close it at once."""


class ConnectionPool:
    """Holds at most `limit` connections.

    Beyond that, the address with the most connections loses one: one that waits for its client, if there is any.
    Clients that open connections and send nothing therefore push out each other, and no one else.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_network: dict[str, dict[PooledConnection, None]] = {}
        self._networks: dict[PooledConnection, str] = {}

    def __iter__(self) -> Iterator[PooledConnection]:
        return iter(self._networks)

    def add(self, connection: PooledConnection, address: str) -> None:
        """Hold a new connection, which is dropped at once if its address has too many."""
        network = network_of(address)
        self._networks[connection] = network
        self._by_network.setdefault(network, {})[connection] = None
        if len(self._networks) > self._limit:
            self._drop_one()

    def remove(self, connection: PooledConnection) -> None:
        """Forget a connection that has ended."""
        network = self._networks.pop(connection, None)
        if network is not None:
            self._by_network[network].pop(connection)
            if not self._by_network[network]:
                del self._by_network[network]

    def _drop_one(self) -> None:
        crowd = max(self._by_network.values(), key=len)
        dropped = next((each for each in crowd if each.waiting), next(reversed(crowd)))
        self.remove(dropped)
        dropped.cut()


def connection_limit() -> int:
    """Return the number of connections that this process can hold. Raises its limit of open files for them."""
    wanted = MAX_CONNECTIONS + FILES_FOR_OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(MAX_CONNECTIONS, soft - FILES_FOR_OTHERS))
