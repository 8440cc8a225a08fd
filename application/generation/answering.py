"""The answer of a provider while it comes: kept piece by piece for watchers, until it ends or is not wanted."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from application.generation.canary import LeakDetector
from application.ports import AnswerEnd, EventStore, PartialTexts, TextPiece, Unavailable
from domain.content.texts import CONTENT_LENGTH
from domain.generation.cleaning import cleaned
from domain.generation.generation import Generation

KEEP_SECONDS = 0.1
"""The shortest time between two pieces that are kept."""
WATCH_SECONDS = 1.0
"""How often the worker looks whether the generation was cancelled, or taken over by another worker."""


class Answering:
    """One attempt's text."""

    def __init__(
        self, events: EventStore, partial_texts: PartialTexts, generation_id: UUID, attempt: int, leaks: LeakDetector
    ) -> None:
        self._events = events
        self._partial_texts = partial_texts
        self._generation_id = generation_id
        self._attempt = attempt
        self._leaks = leaks
        self._parts: list[str] = []
        self._kept_parts = self._kept = 0
        self._more = asyncio.Event()

    @property
    def text(self) -> str:
        """The text so far, without what a document cannot hold."""
        return "".join(self._parts)

    async def run(self, pieces: AsyncGenerator[TextPiece | AnswerEnd, None]) -> AnswerEnd | None:
        """Read the answer to its end. None: the generation is not wanted any more, and the provider was stopped.

        Raises:
            PromptRefused, AnswerCut, Unavailable: as `Provider.answer`.
            RulesLeaked: the text repeats our rules. The piece that shows it is not kept.
        """
        reading = asyncio.create_task(self._read(pieces))
        others = [asyncio.create_task(self._keep()), asyncio.create_task(self._until_unwanted())]
        try:
            done, _ = await asyncio.wait({reading, *others}, return_when=asyncio.FIRST_COMPLETED)
            if reading in done:
                return reading.result()
            for task in done:
                task.result()
            return None
        finally:
            for task in (reading, *others):
                task.cancel()
            await asyncio.gather(reading, *others, return_exceptions=True)

    async def _read(self, pieces: AsyncGenerator[TextPiece | AnswerEnd, None]) -> AnswerEnd:
        length = 0
        async with aclosing(pieces) as answer:
            async for piece in answer:
                if isinstance(piece, AnswerEnd):
                    return piece
                text = cleaned(piece.text)[: CONTENT_LENGTH - length]
                self._leaks.read(text)
                length += len(text)
                self._parts.append(text)
                self._more.set()
                if length == CONTENT_LENGTH:
                    return AnswerEnd("length", None)
        raise Unavailable("The end of the answer")

    async def _keep(self) -> None:
        """Keep pieces as they come. Returns when none can be kept: the generation has been erased."""
        while True:
            await self._more.wait()
            self._more.clear()
            try:
                if not await self._keep_new():
                    return
            except Unavailable:
                self._more.set()
            await asyncio.sleep(KEEP_SECONDS)

    async def _keep_new(self) -> bool:
        parts = len(self._parts)
        piece = "".join(self._parts[self._kept_parts : parts])
        if not piece:
            return True
        is_kept = await self._partial_texts.append(self._generation_id, self._attempt, self._kept, piece)
        self._kept_parts, self._kept = parts, self._kept + len(piece)
        return is_kept

    async def _until_unwanted(self) -> None:
        """Return when the generation is cancelled or erased, or has another attempt."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                generation = await self._events.load(Generation, self._generation_id)
            except Unavailable:
                continue
            if generation is None or not generation.is_open or generation.attempt != self._attempt:
                return
