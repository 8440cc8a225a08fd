"""A provider of language models with a ledger of what it has billed.

`ProviderProcess(folder)`, or `python -m tests.support.billing_provider --port 2526 LEDGER`, is a process that may be
killed: what it bills is in the ledger, a file, before the client can know of it. It speaks both APIs of OpenAI.

Each text is made of the name of its request: what comes twice, or is missing, shows.
"""

import argparse
import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any
from uuid import UUID
from zlib import crc32

import msgspec

from infra.local.servers.process import free_port
from tests.support.batch_server import BatchServer, Line, result_of
from tests.support.killable import HOST, KillableServer
from tests.support.provider_servers import Connection, RudeProvider, chunk, counted, delta, ended

PAUSE_SECONDS = 0.06
"""Between two pieces of a text."""
MIN_PIECES, MAX_PIECES = 10, 40
BYTES_OF_A_TOKEN = 4
BATCH_PATH = re.compile(r"/(files|batches)\b")


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A request came: its prompt is billed. `request_id`: as the client calls it. `at`: seconds since 1970."""

    number: str
    request_id: str
    at: float
    model: str
    input_tokens: int


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Its answer ended: so many tokens are billed. `is_whole`: the client has not stopped it."""

    number: str
    output_tokens: int
    is_whole: bool


@dataclass(frozen=True, slots=True)
class BilledCall:
    """A request, and what it cost. `end`: None if the provider was killed meanwhile."""

    asked: Asked
    end: Ended | None

    @property
    def generation_id(self) -> UUID:
        """The generation that it was for."""
        return UUID(self.asked.request_id.rpartition("-")[0])

    @property
    def attempt(self) -> int:
        """The attempt that it was for."""
        return int(self.asked.request_id.rpartition("-")[2])

    @property
    def is_whole(self) -> bool:
        """Whether the whole text was written."""
        return self.end is not None and self.end.is_whole


_LINE = msgspec.json.Decoder(Asked | Ended)


class ProviderLedger:
    """What a provider has billed, a line of JSON for each fact, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, line: Asked | Ended) -> None:
        """Add a line: it is with the operating system when this returns."""
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, msgspec.json.encode(line) + b"\n")
        finally:
            os.close(file)

    def calls(self) -> list[BilledCall]:
        """Return the requests in the order in which they came."""
        lines = [_LINE.decode(line) for line in self.path.read_bytes().splitlines()] if self.path.exists() else []
        ends = {line.number: line for line in lines if isinstance(line, Ended)}
        return [BilledCall(line, ends.get(line.number)) for line in lines if isinstance(line, Asked)]


def pieces_of(request_id: str) -> list[str]:
    """Return the answer to a request, piece by piece. Each is a token."""
    count = MIN_PIECES + crc32(request_id.encode()) % (MAX_PIECES - MIN_PIECES + 1)
    return [f"{request_id} \N{OTTER} {number}. " for number in range(count)]


class BillingProvider:
    """Answers and bills requests. `pause`: seconds between two pieces. `gate`: unset, texts stop in the middle."""

    def __init__(self, ledger: ProviderLedger, pause: float = PAUSE_SECONDS) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self._ledger = ledger
        self._pause = pause
        self._count = 0
        self.batches = BatchServer(self._write)
        self.batches.took = self._bill

    async def answer(self, connection: Connection) -> None:
        """Answer a request (a script of `RudeProvider`). Moderation refuses nothing, and is not billed."""
        if connection.path.endswith("/moderations"):
            await _judge(connection)
            return
        if BATCH_PATH.search(connection.path) is not None:
            await self.batches.answer(connection)
            return
        request_id = connection.headers["x-client-request-id"]
        used = -(-len(msgspec.json.encode(connection.body)) // BYTES_OF_A_TOKEN)
        self._count += 1
        number, pieces, written = f"{os.getpid()}.{self._count}", pieces_of(request_id), 0
        model = connection.body["model"]
        self._ledger.add(Asked(number=number, request_id=request_id, at=time(), model=model, input_tokens=used))
        is_chat = connection.path.endswith("/chat/completions")
        try:
            await asyncio.sleep(self._pause)
            await connection.begin()
            for piece in pieces:
                await asyncio.sleep(self._pause)
                if written == MIN_PIECES // 2:
                    await self.gate.wait()
                written += 1
                await connection.event(chunk(piece) if is_chat else delta(piece))
        finally:
            is_whole = written == len(pieces) and not connection.gone.is_set()
            self._ledger.add(Ended(number=number, output_tokens=written, is_whole=is_whole))
        for event in _chat_end(used, written) if is_chat else _responses_end(used, written):
            await connection.event(event)

    def _bill(self, lines: Sequence[Line]) -> None:
        """Bill the texts of a batch that begins: all are written."""
        for line in lines:
            self._count += 1
            number, name = f"{os.getpid()}.{self._count}", line["custom_id"]
            used, written = _tokens(line), len(pieces_of(name))
            model = line["body"]["model"]
            self._ledger.add(Asked(number=number, request_id=name, at=time(), model=model, input_tokens=used))
            self._ledger.add(Ended(number=number, output_tokens=written, is_whole=True))

    def _write(self, line: Line) -> Line:
        """Return the text of a line of a batch."""
        pieces = pieces_of(line["custom_id"])
        return result_of(line, "".join(pieces), _tokens(line), len(pieces))


def _tokens(line: Line) -> int:
    return -(-len(msgspec.json.encode(line["body"])) // BYTES_OF_A_TOKEN)


async def _judge(connection: Connection) -> None:
    texts = connection.body["input"]
    results = [{"flagged": False, "categories": {}} for _ in ([texts] if isinstance(texts, str) else texts)]
    await connection.begin(media="application/json")
    await connection.send(msgspec.json.encode({"id": "judged", "model": "omni", "results": results}))


def _chat_end(used: int, written: int) -> list[Any]:
    return [chunk(finish="stop"), counted(used, written), "[DONE]"]


def _responses_end(used: int, written: int) -> list[Any]:
    return [ended(usage={"input_tokens": used, "output_tokens": written, "total_tokens": used + written})]


class ProviderProcess(KillableServer):
    """A provider in a process of its own; it keeps its port and its ledger."""

    MODULE = "tests.support.billing_provider"

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.ledger = ProviderLedger(folder / "provider.jsonl")
        super().__init__(self.ledger.path, port or free_port())

    @property
    def settings(self) -> dict[str, str]:
        """The settings of processes that ask it."""
        return provider_settings(self.port)


def provider_settings(port: int) -> dict[str, str]:
    """The settings of a process that asks the provider at a port."""
    return {"PALIMPSEST_PROVIDER_URL": f"http://{HOST}:{port}/v1", "PALIMPSEST_PROVIDER_KEY": "sk-test"}


async def serve(port: int, ledger: Path) -> None:
    """Serve until the process ends."""
    server = RudeProvider()
    server.script = BillingProvider(ProviderLedger(ledger)).answer
    await asyncio.start_server(server.accept, HOST, port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A provider of language models that keeps what it bills in a ledger.")
    parser.add_argument("--port", type=int, default=2526)
    parser.add_argument("ledger", type=Path)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.ledger))
