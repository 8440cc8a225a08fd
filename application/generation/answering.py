"""The answers of a provider while they come: kept piece by piece for watchers, until they end or are not wanted."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID

from application.generation.canary import LeakDetector, RulesLeaked
from application.generation.stopping import to_its_end
from application.ports import (
    ANSWER_TIMEOUT,
    AnswerCut,
    AnswerEnd,
    AttemptText,
    EventStore,
    NotAsked,
    PartialTexts,
    PromptRefused,
    TextPiece,
    Unavailable,
    UnknownModel,
)
from domain.content.texts import CONTENT_LENGTH
from domain.generation.cleaning import cleaned
from domain.generation.generation import Generation

KEEP_SECONDS = 0.05
"""The shortest time between two pieces that are kept."""
WATCH_SECONDS = 1.0
"""How often the worker looks whether the generation was cancelled, or taken over by another worker."""


class StoppedText:
    """The text is not wanted any more: the provider was stopped while it wrote."""


TextOutcome = AnswerEnd | RulesLeaked | PromptRefused | UnknownModel | Unavailable | StoppedText
"""The end of a text, or why there is none."""

AnswerPieces = AsyncGenerator[TextPiece | AnswerEnd, None]


class Answering:
    """The texts of one attempt, which are written at the same time. `variants`: how many.

    A text that has a part of `canary` repeats our rules: it ends, and the piece that shows it is not kept.
    """

    def __init__(
        self,
        events: EventStore,
        partial_texts: PartialTexts,
        generation_id: UUID,
        attempt: int,
        variants: int,
        canary: str,
    ) -> None:
        self._events = events
        self._generation_id = generation_id
        self._attempt = attempt
        self._texts = [
            _GrowingText(partial_texts, AttemptText(generation_id, attempt, number + 1), LeakDetector(canary))
            for number in range(variants)
        ]
        self._one_ended = asyncio.Condition()
        self._ends_at = math.inf
        """The time of the event loop at which an answer that was asked for again is stopped."""

    @property
    def texts(self) -> list[str]:
        """The texts so far, without what a document cannot hold."""
        return [text.so_far for text in self._texts]

    @property
    def ends(self) -> list[TextOutcome]:
        """How the texts have ended; those that are written are stopped."""
        return [StoppedText() if text.end is None else text.end for text in self._texts]

    async def run(self, answer: Callable[[int], AnswerPieces]) -> None:
        """Read all answers to their ends, or until the generation is not wanted any more.

        `answer`: asks the provider for a variant, by its number from 1.
        """
        self._ends_at = asyncio.get_running_loop().time() + ANSWER_TIMEOUT.total_seconds()
        writing = [asyncio.create_task(self._write(number, answer)) for number in range(1, len(self._texts) + 1)]
        all_written: asyncio.Future[list[None]] = asyncio.gather(*writing)
        unwanted = asyncio.create_task(self._until_unwanted())
        try:
            waiting: set[asyncio.Future[Any]] = {all_written, unwanted}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            (all_written if all_written.done() else unwanted).result()
        finally:
            for task in (*writing, unwanted):
                task.cancel()
            await asyncio.gather(*writing, unwanted, all_written, return_exceptions=True)

    async def keep_rest(self) -> None:
        """Keep what is not kept yet: the worker stops, and its watchers are to see what is paid for."""
        await asyncio.gather(*[text.keep_rest() for text in self._texts])

    async def _write(self, number: int, answer: Callable[[int], AnswerPieces]) -> None:
        """Write a text. One for which the provider could not be asked is asked for again, once, after another one.

        A circuit that was open lets one answer through until that has ended. The attempt takes no longer for it.
        """
        text = self._texts[number - 1]
        await self._ask(number, answer)
        async with self._one_ended:
            self._one_ended.notify_all()
        if not isinstance(text.end, NotAsked) or not await self._may_ask_again():
            return
        try:
            async with asyncio.timeout_at(self._ends_at):
                await self._ask(number, answer)
        except TimeoutError:
            text.end = AnswerCut("The end of the answer")

    async def _ask(self, number: int, answer: Callable[[int], AnswerPieces]) -> None:
        """Let the provider write a text. If others may go on for longer, its last piece is kept at its own end."""
        text = self._texts[number - 1]
        await text.write(answer(number))
        if len(self._texts) > 1:
            await text.keep_rest()

    async def _may_ask_again(self) -> bool:
        """Return whether another text was written, as soon as that is known, and there is time for one more."""

        def is_one_written() -> bool:
            return any(isinstance(text.end, AnswerEnd) for text in self._texts)

        async with self._one_ended:
            await self._one_ended.wait_for(lambda: is_one_written() or None not in [text.end for text in self._texts])
        return is_one_written() and asyncio.get_running_loop().time() < self._ends_at

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


class _GrowingText:
    """A text that is written. `end`: how it has ended; one that is written, or is asked for again, has not."""

    def __init__(self, partial_texts: PartialTexts, of: AttemptText, leaks: LeakDetector) -> None:
        self._partial_texts = partial_texts
        self._of = of
        self._leaks = leaks
        self.end: TextOutcome | None = None
        self._parts: list[str] = []
        self._kept_parts = self._kept = 0
        self._more = asyncio.Event()

    @property
    def so_far(self) -> str:
        return "".join(self._parts)

    async def write(self, pieces: AnswerPieces) -> None:
        """Read the answer to its end, and keep its pieces meanwhile."""
        self.end = None
        keeping = asyncio.create_task(self._keep())
        try:
            self.end = await self._read(pieces)
        except (RulesLeaked, PromptRefused, UnknownModel, Unavailable) as failure:
            self.end = failure
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def keep_rest(self) -> None:
        """Keep what is not kept yet, if the database answers."""
        with suppress(Unavailable):
            await self._keep_new()

    async def _read(self, pieces: AnswerPieces) -> AnswerEnd:
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
                if not await to_its_end(self._keep_new()):
                    return
            except Unavailable:
                self._more.set()
            await asyncio.sleep(KEEP_SECONDS)

    async def _keep_new(self) -> bool:
        parts = len(self._parts)
        piece = "".join(self._parts[self._kept_parts : parts])
        if not piece:
            return True
        is_kept = await self._partial_texts.append(self._of, self._kept, piece)
        self._kept_parts, self._kept = parts, self._kept + len(piece)
        return is_kept
