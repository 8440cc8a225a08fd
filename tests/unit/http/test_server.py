"""The server itself, on a socket: what it makes of headers of intermediaries and of ambiguous messages (ASVS 5.0)."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
import uvicorn

from infra.http_server.server import HttpServer, serve, server_config
from infra.local.servers.process import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 5.0
GOOD = b"POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n\r\n{}"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n"


@dataclass
class Told:
    """An application that notes each request, and answers with what the server says of it."""

    port: int
    seen: list[str] = field(default_factory=list)

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        self.seen.append(scope["path"])
        while (await receive()).get("more_body"):
            pass
        body = json.dumps([scope["client"][0], scope["scheme"], scope["server"][1]]).encode()
        length = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": body})

    async def exchange(self, message: bytes) -> bytes:
        """What the server answers to these bytes, on a connection of their own that sends no more."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(message)
        writer.write_eof()
        try:
            async with asyncio.timeout(SECONDS):
                return await reader.read()
        finally:
            writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listening() -> AsyncIterator[Told]:
    """The server, once for all tests here."""
    app, servers, run = Told(free_port()), [], HttpServer.serve

    async def remembered(server: HttpServer, sockets: Any = None) -> None:
        servers.append(server)
        await run(server, sockets)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HttpServer, "serve", remembered)
        task = asyncio.create_task(serve(app, host="127.0.0.1", port=app.port, before_shutdown=lambda: None))
        async with asyncio.timeout(SECONDS):
            while not app.seen:
                with contextlib.suppress(ConnectionRefusedError):
                    await app.exchange(GOOD)
                await asyncio.sleep(0.01)
        yield app
        servers[0].should_exit = True
        await task


@pytest.fixture
def told(listening: Told) -> Told:
    """The application, with nothing noted yet."""
    listening.seen.clear()
    return listening


async def test_asvs_4_1_3_headers_of_intermediaries_from_anyone_say_nothing_about_the_client(told: Told) -> None:
    forged = (
        b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 192.0.2.7\r\n"
    )
    forged += b"Forwarded: for=192.0.2.7;proto=https\r\n"
    answer = await told.exchange(GOOD.replace(b"Content-Length", forged + b"Content-Length"))
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == ["127.0.0.1", "http", told.port]


async def test_the_answer_does_not_name_the_software(told: Told) -> None:
    head = (await told.exchange(GOOD)).partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nserver:" not in head
    assert b"uvicorn" not in head


HEAD = b"POST / HTTP/1.1\r\nHost: api.test\r\n"
AMBIGUOUS = {
    "a length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and a length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": HEAD + b"Content-Length: 0\r\nContent-Length: 43\r\n\r\n" + SMUGGLED,
    "a list of lengths": HEAD + b"Content-Length: 0, 43\r\n\r\n" + SMUGGLED,
    "a signed length": HEAD + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "a length in hex": HEAD + b"Content-Length: 0x0\r\n\r\n" + SMUGGLED,
    "an unknown coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + SMUGGLED,
    "chunks that are not last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a space before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a folded header": HEAD + b"Content-Length: 0\r\nTransfer-Encoding:\r\n chunked\r\n\r\n" + SMUGGLED,
    "a NUL in a header": HEAD + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    "a chunk of wrong size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "a line feed alone": HEAD + b"Content-Length: 0\nTransfer-Encoding: chunked\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("message", AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_asvs_4_2_1_a_message_whose_end_is_ambiguous_is_refused_and_ends_the_connection(
    told: Told, message: bytes
) -> None:
    answer = await told.exchange(message)
    assert re.findall(rb"HTTP/1.1 \d+ ", answer) == [b"HTTP/1.1 400 "]
    assert "/smuggled" not in told.seen


async def test_two_messages_on_one_connection_are_two(told: Told) -> None:
    answer = await told.exchange(GOOD + GOOD)
    assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_what_would_never_end_is_ended_before_a_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[object] = []

    async def shutdown(_: uvicorn.Server, sockets: object) -> None:
        ended.append(sockets)

    monkeypatch.setattr(uvicorn.Server, "shutdown", shutdown)
    await HttpServer(server_config(None), lambda: ended.append("streams")).shutdown([])
    assert ended == ["streams", []]
