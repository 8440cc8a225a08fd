"""HTTP/1.1 by hand (RFC 9112): as lean as a load needs it, and able to send what breaks the rules."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class NoReply(Exception):
    """The connection was refused, or ended before the answer did."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Connection:
    """One connection, for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, url: str, address: str | None = None) -> "Connection":
        """Connect, from an address of this machine. Raises `NoReply`."""
        parts, local = urlsplit(url), (address, 0) if address else None
        try:
            return cls(*await asyncio.open_connection(parts.hostname, parts.port, limit=2**20, local_addr=local))
        except OSError as error:
            raise NoReply(type(error).__name__) from error

    async def ask(self, request: bytes) -> Reply:
        """Send a request and read its answer. Raises `NoReply`."""
        try:
            self.writer.write(request)
            await self.writer.drain()
            return await self.reply()
        except (OSError, EOFError) as error:
            raise NoReply(type(error).__name__) from error

    async def reply(self) -> Reply:
        """Read an answer.

        Raises:
            OSError, EOFError: the connection broke.
        """
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        length = int(headers.get("content-length", 0))
        return Reply(int(start.split(" ")[1]), headers, await self.reader.readexactly(length) if length else b"")

    def close(self) -> None:
        """Close it at once."""
        self.writer.close()


class Wires:
    """Connections to servers, kept open and used again, as many as there are requests at once."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[Connection]] = defaultdict(list)

    async def request(
        self, method: str, url: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Reply:
        """Ask, on a connection that is free or a new one. Raises `NoReply`."""
        idle = self._idle[url]
        connection = idle.pop() if idle else await Connection.open(url)
        try:
            reply = await connection.ask(message(method, path, headers, body))
        except BaseException:
            connection.close()
            raise
        if reply.headers.get("connection") == "close":
            connection.close()
        else:
            idle.append(connection)
        return reply

    def close(self) -> None:
        """Close what is open."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()


def message(method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
    """A request as bytes; a body is JSON."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")
