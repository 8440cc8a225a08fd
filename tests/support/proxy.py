"""A TCP proxy that can lose the server's answers, refuse connections, or hang: a network, on a bad day."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Forwards to one server. Set the attributes to misbehave."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.lose_next_answer = False
        """The next request still reaches the server; at its answer the connection is cut instead."""
        self.refuse = False
        """New connections are closed at once."""
        self._writers: set[asyncio.StreamWriter] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        if self.refuse:
            writer.close()
            return
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, server_writer}
        await asyncio.gather(
            self._pipe(reader, server_writer, answers=False), self._pipe(server_reader, writer, answers=True)
        )

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if answers and self.lose_next_answer:
                    self.lose_next_answer = False
                    self.cut()
                    return
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        """Close all connections."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()


@asynccontextmanager
async def proxy_to(host: str, port: int) -> AsyncIterator[tuple[Proxy, int]]:
    """A running proxy and its port."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    try:
        yield proxy, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        proxy.cut()
