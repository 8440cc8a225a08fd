"""Stand-ins for a provider of language models, its catalogue, and the texts that are being written."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any
from uuid import UUID

from application.ports import AnswerEnd, Message, Model, Prompt, TextPiece, UnknownModel, Usage

MODELS = {
    "swift": Model("swift", 1_000_000, 2_000_000, 20_000, 4_000, ("temperature",), ("small",)),
    "small": Model("small", 100_000, 200_000, 1_000, 200, (), ()),
}

Line = str | Exception | AnswerEnd | asyncio.Event | Callable[[], Any]
"""A step of a scripted answer: a piece of text, an error, the end, something to wait for, or something to do."""


class PlainModels:
    """Implements `application.ports.Models`."""

    default = MODELS["swift"]

    def all(self) -> list[Model]:
        return [*MODELS.values()]

    def find(self, name: str) -> Model:
        if name not in MODELS:
            raise UnknownModel(f"There is no model {name}.")
        return MODELS[name]


class PlainTokens:
    """Implements `application.ports.TokenCounter`: a token has four characters."""

    async def count(self, messages: Sequence[Message]) -> int:
        return sum(-(-len(message.text) // 4) for message in messages)


class ScriptedProvider:
    """Implements `application.ports.Provider`: gives the answers of `scripts` in turn, then "Otters." again and again.

    `asked`: the prompts of all calls. `closed`: how many answers were stopped before their end.
    """

    def __init__(self) -> None:
        self.scripts: list[list[Line]] = []
        self.asked: list[Prompt] = []
        self.closed = 0

    async def answer(self, prompt: Prompt) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
        self.asked.append(prompt)
        script = self.scripts.pop(0) if self.scripts else ["Ott", "ers.", AnswerEnd("complete", Usage(100, 10))]
        try:
            for line in script:
                if isinstance(line, Exception):
                    raise line
                if isinstance(line, asyncio.Event):
                    await line.wait()
                elif isinstance(line, str):
                    yield TextPiece(line)
                elif isinstance(line, AnswerEnd):
                    yield line
                elif callable(line):
                    line()
        except (GeneratorExit, asyncio.CancelledError):
            self.closed += 1
            raise


class PlainModeration:
    """Implements `application.ports.Moderation`: refuses texts with a word of `refused`, for its categories.

    `judged`: the texts of all calls. `outages`: the errors of the next calls.
    """

    def __init__(self) -> None:
        self.refused: dict[str, tuple[str, ...]] = {}
        self.judged: list[str] = []
        self.outages: list[Exception] = []

    async def judge(self, text: str) -> tuple[str, ...]:
        self.judged.append(text)
        if self.outages:
            raise self.outages.pop(0)
        return next((categories for word, categories in self.refused.items() if word in text), ())


class PlainKeyTrial:
    """Implements `application.ports.TryKey`: raises `error`, if there is one. `tried`: the keys of all calls."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.error: Exception | None = None

    async def __call__(self, key: str) -> None:
        self.tried.append(key)
        if self.error is not None:
            raise self.error


class MemoryPartialTexts:
    """Implements `application.ports.PartialTexts` in a dict."""

    def __init__(self) -> None:
        self.pieces: dict[tuple[UUID, int, int], str] = {}
        self.removed: list[UUID] = []

    async def append(self, generation_id: UUID, attempt: int, start: int, text: str) -> bool:
        self.pieces.setdefault((generation_id, attempt, start), text)
        return True

    async def read(self, generation_id: UUID, attempt: int, start: int) -> str:
        own = sorted((at, text) for (id, of, at), text in self.pieces.items() if (id, of) == (generation_id, attempt))
        text = ""
        for at, piece in own:
            if at == len(text):
                text += piece
        return text[start:]

    async def remove(self, generation_id: UUID, last_attempt: int) -> None:
        kept = {place for place in self.pieces if place[0] != generation_id or place[1] > last_attempt}
        self.pieces = {place: self.pieces[place] for place in kept}
        self.removed.append(generation_id)
