"""Connections are accepted quickly, also when many clients connect at once."""

import asyncio
import socket
from contextlib import ExitStack

import uvicorn
import uvloop

from infra.http_server.server import listening_sockets

CROWD = 60


def test_many_connections_are_accepted_within_few_iterations_of_the_loop() -> None:
    async def turns() -> int:
        config = uvicorn.Config(lambda: None, host="127.0.0.1", port=0, log_config=None)
        let_in: list[asyncio.BaseTransport] = []

        class Guest(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                let_in.append(transport)

        with ExitStack() as stack:
            sockets = [stack.enter_context(each) for each in listening_sockets(config)]
            loop = asyncio.get_running_loop()
            servers = [await loop.create_server(Guest, sock=each) for each in sockets]
            for _ in range(CROWD):
                stack.enter_context(socket.create_connection(sockets[0].getsockname()))
            count = 0
            while len(let_in) < CROWD:
                await asyncio.sleep(0)
                count += 1
            for transport in let_in:
                transport.close()
            for server in servers:
                server.close()
        return count

    assert uvloop.run(turns()) < CROWD / 2
