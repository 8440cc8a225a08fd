"""Watching: 64 clients of one API process, each with a text of its own that grows by 30 pieces a second.

The worker's part runs here, with a provider that writes down when it gives each piece: all pieces have the same length,
so the number of characters that a client has says which ones have come. The clients run here, too.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from time import perf_counter, process_time
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from application.generation.answering import Answering
from application.ports import Actor, AnswerEnd, TextPiece
from domain.billing.budget import month_of
from domain.content.document import Document
from domain.generation.generation import Generation
from domain.generation.placement import Placement
from domain.generation.pricing import TokenPrice
from domain.generation.requesting import ModelChoice, Quote, Wish, request
from infra.bootstrap.write_side import WriteSide, utc_now
from infra.generation.partial_texts import PostgresPartialTexts
from tests.bench import ours, processes
from tests.bench.clients import request as http_request
from tests.bench.harness import Bench, Row, below, told
from tests.bench.visible import at_share
from tests.support.servers import open_folder, own_redis

WATCHERS, PIECES_A_SECOND, SECONDS = 64, 30, 20.0
PIECE = "Otters. "
CANARY = "0123456789abcdef" * 2
MAX_FIRST_MILLISECONDS, MAX_MILLISECONDS = 50.0, 200.0
CONNECTING_SECONDS = 2.0
MODEL = ModelChoice("bench", TokenPrice(1, 1), 100_000, 10_000, takes_temperature=False)
PLACE = re.compile(rb"id: 1-([0-9]+)\n")


@dataclass
class Watched:
    """A text that is written and watched: when each of its pieces was given, and when it came."""

    generation_id: UUID
    token: str
    given: list[float] = field(default_factory=list)
    came: list[float] = field(default_factory=list)

    def delays(self) -> list[float]:
        """The milliseconds of each piece on its way; infinite for one that did not come."""
        missing = [float("inf")] * (len(self.given) - len(self.came))
        return [1_000 * (came - given) for given, came in zip(self.given, [*self.came, *missing], strict=True)]


def rows(bench: Bench) -> Iterator[Row]:
    """One long turn: there is no peer."""
    with (
        bench.database() as database,
        ours.opened(database) as reading,
        ours.opened(database, "worker") as worker,
        open_folder() as folder,
        own_redis() as redis,
        processes.api(database, folder, redis.url) as api,
    ):
        users = reading(ours.new_users, WATCHERS)
        tokens = ours.tokens_for(ours.settings_for(database))
        texts = [Watched(worker(_begin, id), tokens.issue(id, session)) for id, session in users.items()]
        before, own_before, began = processes.processor_seconds(api.pid), process_time(), perf_counter()
        worker(_write_and_watch, texts, api.port, bench.seconds(SECONDS))
        seconds = perf_counter() - began
        used, own_used = processes.processor_seconds(api.pid) - before, process_time() - own_before
    delays = sorted(delay for text in texts for delay in text.delays())
    first = sorted(text.delays()[0] for text in texts)
    name = f"{WATCHERS} watchers, {PIECES_A_SECOND} pieces/s each"
    yield below(f"{name}: first piece, p95", "ms", [at_share(first, 0.95)], MAX_FIRST_MILLISECONDS)
    yield told(f"{name}: p50", "ms", at_share(delays, 0.5))
    yield below(f"{name}: slowest", "ms", [delays[-1]], MAX_MILLISECONDS)
    yield told(f"{name}: API", "% of a core", 100 * used / seconds)
    yield told(f"{name}: worker and clients", "% of a core", 100 * own_used / seconds)


async def _begin(core: WriteSide, user_id: UUID) -> UUID:
    """Store a generation whose first attempt has started."""
    now, asker = utc_now(), Actor(user_id)
    document = Document.create(id=uuid7(), owner_id=user_id, title="River", content="Otters.", now=now)
    wish = Wish("Describe it.", {}, Placement(), 1_000)
    generation: Generation = request(
        document, wish, MODEL, Quote("0" * 64, 100, month_of(now)), id=uuid4(), by=asker, now=now
    )
    generation.start_attempt(document, prompt_tokens=100, obstacle=None, by=asker, now=now)
    await core.store.append([document, generation], ours.CALL, None)
    return generation.id


async def _write_and_watch(core: WriteSide, texts: list[Watched], port: int, seconds: float) -> None:
    partial_texts = PostgresPartialTexts(core.database, core.keyring)
    watching = [asyncio.create_task(_watch(text, port)) for text in texts]
    await asyncio.sleep(CONNECTING_SECONDS)
    answerings = [Answering(core.store, partial_texts, text.generation_id, 1, 1, CANARY) for text in texts]
    await asyncio.gather(
        *[
            _answer(answering, text, seconds, offset / len(texts))
            for offset, (answering, text) in enumerate(zip(answerings, texts, strict=True))
        ]
    )
    await asyncio.sleep(CONNECTING_SECONDS)
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)


async def _answer(answering: Answering, text: Watched, seconds: float, offset: float) -> None:
    """Write one text as a worker does. What is not kept at its end is kept then."""

    async def pieces(_: int) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
        begin = asyncio.get_running_loop().time() + offset / PIECES_A_SECOND
        for number in range(max(1, round(seconds * PIECES_A_SECOND))):
            await asyncio.sleep(max(0.0, begin + number / PIECES_A_SECOND - asyncio.get_running_loop().time()))
            text.given.append(perf_counter())
            yield TextPiece(PIECE)
        yield AnswerEnd("complete", None)

    await answering.run(pieces)
    await answering.keep_rest()


async def _watch(text: Watched, port: int) -> None:
    """Watch a text until cancelled, and write down when each piece came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = f"/v1/generations/{text.generation_id}/events"
    writer.write(http_request("GET", path, Authorization=f"Bearer {text.token}"))
    received = b""
    try:
        while chunk := await reader.read(65_536):
            at, received = perf_counter(), received + chunk
            for found in PLACE.findall(received):
                text.came += [at] * (int(found) // len(PIECE) - len(text.came))
            received = received[received.rfind(b"\n") + 1 :]
    finally:
        writer.close()
