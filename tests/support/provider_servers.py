"""Servers that speak OpenAI's API: one of other people, and a rude one of our own."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from adapters.provider.client import ProviderAccount
from adapters.provider.openai_moderation import OpenAIModeration
from adapters.provider.openai_provider import OpenAIProvider
from adapters.provider.timeouts import Timeouts
from tests.support.node import installed
from tests.support.provider import CANARY, CATALOGUE, clock

HOST = "127.0.0.1"
KEY = "sk-canary-key"


@asynccontextmanager
async def provider_at(url: str, timeouts: Timeouts | None = None) -> AsyncIterator[OpenAIProvider]:
    """A provider at an address, closed at the end."""
    provider = OpenAIProvider(ProviderAccount(url, KEY), CATALOGUE, clock, timeouts=timeouts)
    try:
        yield provider
    finally:
        await provider.close()


@asynccontextmanager
async def moderation_at(url: str, seconds: float = 5.0) -> AsyncIterator[OpenAIModeration]:
    """Moderation at an address, closed at the end."""
    moderation = OpenAIModeration(ProviderAccount(url, KEY), clock, seconds=seconds)
    try:
        yield moderation
    finally:
        await moderation.close()


@contextmanager
def running_aimock() -> Iterator[str]:
    """Run aimock, a server of other people. Yields the address of its API."""
    node, home = installed("aimock")
    with subprocess.Popen(
        [node, "serve.js"], cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "aimock did not start"
        yield f"{url}/v1"
        process.stdin.close()


RudeScript = Callable[["Connection"], Awaitable[None]]


@dataclass
class Connection:
    """A request at the rude server. `gone`: set when the client has disconnected. `body`: of JSON; else `content`."""

    writer: asyncio.StreamWriter
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    method: str = "POST"
    content: bytes = b""
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def begin(self, status: str = "200 OK", *headers: str, media: str = "text/event-stream") -> None:
        """Send the head of a response that ends with the connection."""
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {media}", "Connection: close", *headers]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def event(self, data: Any) -> None:
        """Send an event."""
        await self.send(f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode())


class RudeProvider:
    """Answers each request as the script says. `connections`: those that came."""

    def __init__(self) -> None:
        self.url = ""
        self.script: RudeScript = refuse(500)
        self.connections: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task of its own."""
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def close(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        is_json = content and headers.get("content-type") == "application/json"
        method, path, _ = head[0].split()
        connection = Connection(writer, path, headers, json.loads(content) if is_json else {}, method, content)
        self.connections.append(connection)
        script = asyncio.ensure_future(self.script(connection))
        gone = asyncio.ensure_future(reader.read())
        await asyncio.wait([script, gone], return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            connection.gone.set()
        for task in (script, gone):
            task.cancel()
        await asyncio.gather(script, gone, return_exceptions=True)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def rude_provider() -> AsyncIterator[RudeProvider]:
    """A rude server in this event loop."""
    rude = RudeProvider()
    server = await asyncio.start_server(rude.accept, HOST, 0)
    rude.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield rude
    finally:
        server.close()
        await rude.close()


def refuse(status: int, *headers: str, code: str = "rude", message: str = CANARY) -> RudeScript:
    """Refuse with a status."""

    async def script(connection: Connection) -> None:
        await connection.begin(f"{status} Rude", *headers, media="application/json")
        error = {"message": message, "code": code, "type": CANARY, "param": CANARY}
        await connection.send(json.dumps({"error": error}).encode())

    return script


def events(*data: Any, stall: bool = False) -> RudeScript:
    """Answer with events; then close the connection, or say nothing more."""

    async def script(connection: Connection) -> None:
        await connection.begin()
        for each in data:
            await connection.event(each)
        if stall:
            await asyncio.Event().wait()

    return script


async def silent(connection: Connection) -> None:
    """Say nothing."""
    await asyncio.Event().wait()


async def closed(connection: Connection) -> None:
    """Close the connection."""


async def html(connection: Connection) -> None:
    """Answer with a page."""
    await connection.begin(media="text/html")
    await connection.send(f"<html>{CANARY}</html>".encode())


async def no_http(connection: Connection) -> None:
    """Speak another protocol."""
    await connection.send(f"220 {CANARY}\r\n".encode())


def chunk(text: Any = None, finish: Any = None, **delta: Any) -> dict[str, Any]:
    """An event of chat completions."""
    delta = delta if text is None else {"content": text, **delta}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"} | {
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]
    }


def counted(prompt_tokens: Any, completion_tokens: Any) -> dict[str, Any]:
    """The last event of chat completions, with usage."""
    return chunk() | {
        "choices": [],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": 1},
    }


def delta(text: Any) -> dict[str, Any]:
    """A text event of the Responses API."""
    place = {"item_id": "1", "output_index": 0, "content_index": 0, "sequence_number": 1, "logprobs": []}
    return {"type": "response.output_text.delta", "delta": text, **place}


def ended(kind: str = "completed", **response: Any) -> dict[str, Any]:
    """The last event of the Responses API."""
    usage = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
    return {"type": f"response.{kind}", "sequence_number": 9, "response": {"id": "1", "usage": usage, **response}}
