"""Connections: every phase is bounded in time and bytes, and a refusal can be read."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
from uvicorn.server import ServerState

from adapters.http.api.middleware import SECURITY_HEADERS
from infra.http_server import connection
from infra.http_server.connection import HttpProtocol
from infra.http_server.connection_pool import ConnectionPool, PooledConnection
from infra.http_server.server import server_config

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
SOON = 5.0

App = Callable[[Any, Any, Any], Awaitable[None]]


async def respond(send: Any, status: int = 200, body: bytes = b"ok") -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def reader_app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the whole request, then answers with its path."""
    while (await receive()).get("more_body"):
        pass
    await respond(send, body=scope["path"].encode())


async def refusing_app(scope: Any, receive: Any, send: Any) -> None:
    """Answers without a look at the body."""
    await respond(send, 413, b"too large")


class Client:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send_until_cut(self, data: bytes, pause: float) -> None:
        """Send again and again, until the server has cut the connection."""
        with suppress(ConnectionError):
            async with asyncio.timeout(SOON):
                while True:
                    await self.send(data)
                    await asyncio.sleep(pause)

    async def reply(self) -> tuple[int, bytes]:
        """The status and the rest of one response."""
        async with asyncio.timeout(SOON):
            head = await self.reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", head)
            body = await self.reader.readexactly(int(found[1])) if found else b""
        return int(head.split(b" ")[1]), head + body

    async def end(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(SOON):
            return await self.reader.read()


class Pool(ConnectionPool):
    """A pool that says when it is empty."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.empty = asyncio.Event()

    def remove(self, connection: PooledConnection) -> None:
        super().remove(connection)
        if not list(self):
            self.empty.set()


class Service:
    """A server, and the clients it has."""

    def __init__(self, port: int, pool: Pool) -> None:
        self.port, self.pool = port, pool
        self.clients: list[Client] = []

    async def client(self) -> Client:
        self.clients.append(Client(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.clients[-1]


@asynccontextmanager
async def serving(app: App = reader_app, limit: int = 100) -> AsyncIterator[Service]:
    config = server_config(app)
    config.load()
    pool, state = Pool(limit), ServerState()
    make = partial(HttpProtocol, config=config, server_state=state, app_state={}, pool=pool)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    service = Service(server.sockets[0].getsockname()[1], pool)
    try:
        yield service
    finally:
        for client in service.clients:
            client.writer.close()
        server.close()
        for each in list(state.connections):
            each.transport.abort()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _swift(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_SECONDS", "LINGER_SECONDS", "STALL_SECONDS"):
        monkeypatch.setattr(connection, name, 0.15)


@pytest.mark.parametrize("size", [1_000, 300_000], ids=["bit by bit", "at once"])
async def test_a_head_without_an_end_is_refused(size: int) -> None:
    """Case 1: after some 64 KiB."""
    async with serving() as service:
        client = await service.client()
        await client.send(GET + b"X-A: ")
        for _ in range(300_000 // size):
            client.writer.write(b"a" * size)
            await asyncio.sleep(0)
        status, text = await client.reply()
        assert (status, b'"code":"head_too_large"' in text, await client.end()) == (431, True, b"")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"X-A: b\r\n" * 99, 200),
        (b"X-A: b\r\n" * 100, 431),
        (b"X-A: " + b"a" * 60_000 + b"\r\n", 200),
        (b"X-A: " + b"a" * 70_000 + b"\r\n", 431),
        (b"X-A: " + b"a" * 600 + b"\r\n" + (b"X-B: " + b"b" * 1_000 + b"\r\n") * 70, 431),
    ],
)
async def test_a_complete_head_is_bounded_too(head: bytes, status: int) -> None:
    """Case 1: 100 lines and 64 KiB."""
    async with serving() as service:
        client = await service.client()
        await client.send(GET + head + b"\r\n")
        assert (await client.reply())[0] == status


async def test_a_long_target_is_refused() -> None:
    """Case 1: RFC 9110, 4.1 asks for 8,000 octets."""
    async with serving() as service:
        for length, status in ((8_000, 200), (8_193, 414)):
            client = await service.client()
            await client.send(b"GET /" + b"a" * (length - 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await client.reply())[0] == status


async def test_a_silent_connection_ends() -> None:
    """Case 1, M6: nothing was asked, and nothing is answered."""
    async with serving() as service:
        assert await (await service.client()).end() == b""


@pytest.mark.parametrize("first", [b"", GET + b"\r\n"], ids=["the first request", "a later request"])
async def test_half_a_head_ends_in_time_however_it_trickles(first: bytes) -> None:
    """Case 1, M6: each byte would begin the time again."""
    async with serving() as service:
        client = await service.client()
        if first:
            await client.send(first)
            assert (await client.reply())[0] == 200
        await client.send(b"GET / HTTP/1.1\r\nX-A: ")
        for _ in range(8):
            client.writer.write(b"a")
            await asyncio.sleep(0.03)
        status, text = await client.reply()
        assert (status, b'"code":"too_slow"' in text, await client.end()) == (408, True, b"")


async def test_empty_lines_do_not_keep_a_connection_open() -> None:
    """M6: a sibling of half a head; parsers skip empty lines before a request (RFC 9112, 2.2)."""
    async with serving() as service:
        client = await service.client()
        await client.send(GET + b"\r\n")
        await client.reply()
        for _ in range(8):
            client.writer.write(b"\r\n")
            await asyncio.sleep(0.03)
        assert (await client.reply())[0] == 408


async def test_a_slow_answer_does_not_count_as_the_clients_time() -> None:
    async def slow_app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.3)
        await respond(send)

    async with serving(slow_app) as service:
        client = await service.client()
        await client.send(GET + b"\r\nGET / HT")
        assert (await client.reply())[0] == 200
        assert (await client.reply())[0] == 408


async def test_requests_one_after_the_other_and_at_once_are_answered_in_order() -> None:
    async with serving() as service:
        client = await service.client()
        await client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(5)))
        await client.send((POST % 4).replace(b"/ ", b"/5 ") + b"body" + GET.replace(b"/ ", b"/6 ") + b"\r\n")
        bodies = [(await client.reply())[1][-2:] for _ in range(7)]
        assert bodies == [b"/%d" % n for n in range(7)]


async def test_a_refused_body_is_taken_until_the_client_has_read_why() -> None:
    """Case 11: closing at once would reset the connection, and with it the answer."""
    async with serving(refusing_app) as service:
        client = await service.client()
        await client.send(POST % 2_000_000)
        for _ in range(20):
            await client.send(b"x" * 100_000)
        status, text = await client.reply()
        assert (status, b"connection: close" in text, await client.end()) == (413, True, b"")


async def test_a_refused_body_that_never_ends_is_not_taken_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """M6: neither in time nor in bytes."""
    monkeypatch.setattr(connection, "LINGER_BYTES", 1_000_000)
    async with serving(refusing_app) as service:
        slow, quick = await service.client(), await service.client()
        for client in (slow, quick):
            await client.send(POST % 10**9)
            assert (await client.reply())[0] == 413
        await quick.send_until_cut(b"x" * 100_000, 0)
        await slow.send_until_cut(b"x", 0.03)


async def test_a_body_that_is_read_leaves_the_connection_open() -> None:
    async with serving() as service:
        client = await service.client()
        for _ in range(2):
            await client.send(POST % 200_000)
            await client.send(b"x" * 200_000)
            assert b"connection: close" not in (await client.reply())[1]


async def test_a_client_that_does_not_read_is_cut() -> None:
    """M6: a response waits in memory until it is read."""

    async def large_app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, body=b"x" * 20_000_000)

    async with serving(large_app) as service:
        client = await service.client()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(GET + b"\r\n")
        async with asyncio.timeout(SOON):
            await service.pool.empty.wait()


async def test_a_client_that_reads_slowly_gets_everything() -> None:
    async def large_app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, body=b"x" * 20_000_000)

    async with serving(large_app) as service:
        client = await service.client()
        await client.send(GET + b"Connection: close\r\n\r\n")
        got = 0
        while data := await client.reader.read(1_000_000):
            got += len(data)
            await asyncio.sleep(0.005)
        assert got > 20_000_000


@pytest.mark.parametrize(
    "request_",
    [b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", b"GET http://x\r\n\r\n"],
)
async def test_what_cannot_be_parsed_is_answered_like_all_else(request_: bytes) -> None:
    """L9: also the server's own answers are problems with security headers."""
    async with serving() as service:
        client = await service.client()
        await client.send(request_)
        status, text = await client.reply()
        assert (status, b"application/problem+json" in text, await client.end()) == (400, True, b"")
        assert all(name in text for name, _ in SECURITY_HEADERS)


async def test_connections_that_wait_make_room_for_others() -> None:
    """Case 1, M6: half-open connections starve no one."""
    async with serving(limit=5) as service:
        idle = [await service.client() for _ in range(20)]
        for client in idle:
            await client.send(b"GET / HTTP/1.1\r\n")
        asker = await service.client()
        await asker.send(GET + b"\r\n")
        assert (await asker.reply())[0] == 200
        assert len(list(service.pool)) <= 5
