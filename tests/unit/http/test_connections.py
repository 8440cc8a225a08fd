"""Connections: every phase is bounded in time and bytes, and a refusal can be read."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest
from uvicorn.server import ServerState

from adapters.http.api.middleware import DEFAULT_HEADERS, SECURITY_HEADERS
from infra.http_server import connection
from infra.http_server.connection import HttpProtocol, LingeringTransport
from infra.http_server.connection_pool import ConnectionPool, PooledConnection
from infra.http_server.refusal import refusal
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
    """A pool that says when it is empty, and keeps the addresses of all connections."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.empty = asyncio.Event()
        self.addresses: list[str] = []

    def add(self, connection: PooledConnection, address: str) -> None:
        self.addresses.append(address)
        super().add(connection, address)

    def remove(self, connection: PooledConnection) -> None:
        super().remove(connection)
        if not list(self):
            self.empty.set()


class Service:
    """A server, and the clients it has."""

    def __init__(self, port: int, pool: Pool, connections: set[Any]) -> None:
        self.port, self.pool, self.connections = port, pool, connections
        self.clients: list[Client] = []

    async def client(self) -> Client:
        self.clients.append(Client(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.clients[-1]


@asynccontextmanager
async def serving(app: App = reader_app, limit: int = 100, loop: Any = None) -> AsyncIterator[Service]:
    config = server_config(app)
    config.load()
    pool, state = Pool(limit), ServerState()
    make = partial(HttpProtocol, config=config, server_state=state, app_state={}, pool=pool, _loop=loop)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    service = Service(server.sockets[0].getsockname()[1], pool, state.connections)
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


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that wait until a time is over; for others it must not end while the machine is busy."""
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


@pytest.mark.usefixtures("short_limits")
async def test_a_silent_connection_ends() -> None:
    """Case 1, M6: nothing was asked, and nothing is answered."""
    async with serving() as service:
        assert await (await service.client()).end() == b""


@pytest.mark.usefixtures("short_limits")
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


@pytest.mark.usefixtures("short_limits")
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


@pytest.mark.usefixtures("short_limits")
async def test_a_slow_answer_does_not_count_as_the_clients_time() -> None:
    async def slow_app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.3)
        await respond(send)

    async with serving(slow_app) as service:
        client = await service.client()
        await client.send(GET + b"\r\nGET / HT")
        assert (await client.reply())[0] == 200
        assert (await client.reply())[0] == 408


async def test_the_time_of_a_head_ends_with_the_head_and_all_times_with_the_connection() -> None:
    """M6: a client that says nothing more after its response is not told that it was too slow."""
    loop, timers, begun = asyncio.get_running_loop(), list[asyncio.TimerHandle](), asyncio.Event()

    def call_later(*arguments: Any) -> asyncio.TimerHandle:
        timers.append(loop.call_later(*arguments))
        begun.set()
        return timers[-1]

    watched = Mock(wraps=loop)
    watched.call_later.side_effect = call_later
    async with serving(loop=watched) as service:
        client = await service.client()
        await client.send(GET + b"\r\n")
        assert (await client.reply())[0] == 200
        assert timers[0].cancelled()
        begun.clear()
        await client.send(GET)
        async with asyncio.timeout(SOON):
            await begun.wait()
            client.writer.close()
            await service.pool.empty.wait()
        await asyncio.sleep(0)
        assert all(timer.cancelled() for timer in timers)


async def test_a_connection_counts_for_the_address_of_its_client() -> None:
    async with serving() as service:
        client = await service.client()
        await client.send(GET + b"\r\n")
        await client.reply()
        assert service.pool.addresses == ["127.0.0.1"]


async def test_what_cannot_be_parsed_behind_a_request_ends_the_connection_after_its_response() -> None:
    go_on = asyncio.Event()

    async def waiting_app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        await respond(send)

    async with serving(waiting_app) as service:
        client = await service.client()
        await client.send(GET + b"\r\n" + b"\x16\x03\x01\r\n\r\n")
        go_on.set()
        status, text = await client.reply()
        assert (status, b"connection: close" in text, await client.end()) == (200, True, b"")


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


@pytest.mark.usefixtures("short_limits")
async def test_a_refused_body_that_never_ends_is_not_taken_for_ever() -> None:
    """M6: in time."""
    async with serving(refusing_app) as service:
        client = await service.client()
        await client.send(POST % 10**9)
        assert (await client.reply())[0] == 413
        await client.send_until_cut(b"x", 0.03)


async def test_a_refused_body_is_taken_up_to_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """M6: however quickly they come."""
    monkeypatch.setattr(connection, "LINGER_BYTES", 1_000_000)
    async with serving(refusing_app) as service:
        client = await service.client()
        await client.send(POST % 10**9)
        assert (await client.reply())[0] == 413
        await client.send_until_cut(b"x" * 100_000, 0)
        async with asyncio.timeout(SOON):
            await service.pool.empty.wait()


async def test_a_lingering_transport_is_closing_and_closes_at_the_second_time() -> None:
    wire, protocol = Mock(), Mock()
    protocol.linger.return_value = True
    wire.is_closing.return_value = False
    transport = LingeringTransport(wire, protocol)
    transport.close()
    assert (transport.is_closing(), wire.close.called) == (True, False)
    transport.close()
    assert wire.close.called


async def test_after_a_complete_request_a_connection_that_is_not_kept_closes_at_once() -> None:
    async with serving() as service:
        client = await service.client()
        await client.send(GET + b"Connection: close\r\n\r\n")
        assert (await client.reply())[0] == 200
        async with asyncio.timeout(SOON):
            await service.pool.empty.wait()


async def test_a_body_that_is_read_leaves_the_connection_open() -> None:
    async with serving() as service:
        client = await service.client()
        for _ in range(2):
            await client.send(POST % 200_000)
            await client.send(b"x" * 200_000)
            assert b"connection: close" not in (await client.reply())[1]


@pytest.mark.usefixtures("short_limits")
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


@pytest.mark.usefixtures("short_limits")
async def test_a_response_is_held_back_until_the_client_reads() -> None:
    """M6: what the application has sent and the client has not read is in memory."""
    sent = 0

    async def endless_app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while sent < 200_000_000:
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            sent += 100_000

    async with serving(endless_app) as service:
        client = await service.client()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(GET + b"\r\n")
        async with asyncio.timeout(SOON):
            await service.pool.empty.wait()
            assert sent < 50_000_000


async def test_a_client_that_reads_slowly_gets_everything() -> None:
    async def large_app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, body=b"x" * 20_000_000)

    async with serving(large_app) as service:
        client = await service.client()
        await client.send(GET + b"Connection: close\r\n\r\n")
        got = 0
        while data := await client.reader.read(1_000_000):
            got += len(data)
            await asyncio.sleep(0)
        assert got > 20_000_000


async def test_a_client_that_reads_slowly_is_not_cut_before_it_stops() -> None:
    """Looks after each time limit: what waits to be written became less, and then did not."""
    config = server_config(reader_app)
    config.load()
    protocol = HttpProtocol(config=config, server_state=ServerState(), app_state={}, pool=Pool(1))
    transport, loop = Mock(), Mock()
    transport.get_write_buffer_size.side_effect = [20, 10, 10, 10]
    protocol.transport, protocol.loop = transport, loop
    protocol.watch_writing()
    for is_cut in (False, True):
        (_, look, before), _ = loop.call_later.call_args
        look(before)
        assert transport.abort.called is is_cut


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
        assert 0 < len(list(service.pool)) <= 5


async def test_a_shutdown_ends_a_connection_without_a_request_at_once() -> None:
    async with serving() as service:
        client = await service.client()
        await client.send(GET + b"\r\n")
        assert (await client.reply())[0] == 200
        for each in list(service.connections):
            each.shutdown()
        assert await client.end() == b""
        async with asyncio.timeout(SOON):
            await service.pool.empty.wait()


@pytest.mark.parametrize("sent", [POST % 4, POST % 4 + b"body"], ids=["half received", "received"])
async def test_a_shutdown_ends_a_connection_with_a_request_after_its_response(sent: bytes) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def waiting_app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await go_on.wait()
        await reader_app(scope, receive, send)

    async with serving(waiting_app) as service:
        client = await service.client()
        await client.send(sent)
        await begun.wait()
        for each in list(service.connections):
            each.shutdown()
        go_on.set()
        await client.send((POST % 4 + b"body")[len(sent) :])
        status, text = await client.reply()
        assert (status, b"connection: close" in text, await client.end()) == (200, True, b"")


def test_a_refusal_of_the_server_has_the_headers_and_the_body_of_all_others() -> None:
    head, _, body = refusal(431, "head_too_large", "Too large.").partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    problem = json.loads(body)
    assert start == b"HTTP/1.1 431 Request Header Fields Too Large"
    assert {*SECURITY_HEADERS, *DEFAULT_HEADERS} <= headers.items()
    assert (headers[b"connection"], headers[b"content-length"]) == (b"close", b"%d" % len(body))
    assert (problem["status"], problem["code"], problem["detail"]) == (431, "head_too_large", "Too large.")
    assert headers[b"x-request-id"].decode() == problem["request_id"]
