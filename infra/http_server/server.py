"""The HTTP server: uvicorn, with bounded connections (`connection.py`), two changes for speed and one for shutdown.

This file and `connection.py` alone depend on internals of uvicorn (0.54). Here:
- `Config.http` is a factory of connections.
- `Config.bind_socket()` is called directly, and `Server.serve()` must accept many sockets for one address.
- `Config` wraps the application, to find the client behind trusted proxies.
- `Server.shutdown()` is overridden; uvicorn calls it once, before it waits for open requests.

Why, and what was measured: decisions/0001-one-packet-responses.md and decisions/0002-many-listening-sockets.md.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from ipaddress import ip_network
from typing import Any

import uvicorn

from infra.http_server.connection import HttpProtocol
from infra.http_server.connection_pool import ConnectionPool, connection_limit

GRACEFUL_SHUTDOWN_SECONDS = 10
KEEP_ALIVE_SECONDS = 30
LISTENING_SOCKETS = 32
"""Connections accepted in one event-loop iteration."""


async def serve(
    app: Any, *, host: str, port: int, before_shutdown: Callable[[], None], trusted_proxies: Sequence[str] = ()
) -> None:
    """Serve an ASGI application until SIGINT or SIGTERM; open requests may end first.

    `before_shutdown` must end responses that would otherwise never end, such as event streams. `trusted_proxies`: see
    `server_config`.
    """
    config = server_config(app, host=host, port=port, trusted_proxies=trusted_proxies)
    await HttpServer(config, before_shutdown).serve(listening_sockets(config))


def server_config(app: Any, *, trusted_proxies: Sequence[str] = (), **more: Any) -> uvicorn.Config:
    """Return the configuration of a server, with a pool of connections of its own.

    `trusted_proxies`: networks. A request from one of them is from the client that `X-Forwarded-For` names: the
    right-most address that is in none of them. From all others this header says nothing.
    """
    protocol: Any = partial(HttpProtocol, pool=ConnectionPool(connection_limit()))
    return uvicorn.Config(
        app,
        **more,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=[*trusted_proxies, *_mapped(trusted_proxies)],
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
    )


def _mapped(networks: Sequence[str]) -> Iterator[str]:
    """Yield IPv4 networks as IPv6 sockets name their addresses (RFC 4291, 2.5.5.2)."""
    for network in map(ip_network, networks):
        if network.version == 4:
            yield f"::ffff:{network.network_address}/{96 + network.prefixlen}"


def listening_sockets(config: uvicorn.Config) -> list[socket.socket]:
    """One bound socket and its duplicates.

    The event loop accepts one connection per socket and iteration, and iterations of a busy loop are long: with one
    socket, the last of 500 clients that connected at once would wait ten seconds.
    """
    first = config.bind_socket()
    return [first, *[first.dup() for _ in range(LISTENING_SOCKETS - 1)]]


class HttpServer(uvicorn.Server):
    """A server that runs a callback before it shuts down."""

    def __init__(self, config: uvicorn.Config, before_shutdown: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_shutdown = before_shutdown

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Run the callback, then shut down."""
        self._before_shutdown()
        await super().shutdown(sockets)
