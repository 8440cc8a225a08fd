"""Stand-ins for a provider of language models, its catalogue, and the texts that are being written."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from application.ports import AnswerEnd, AttemptText, Message, Model, Prompt, TextPiece, UnknownModel, Usage

MODELS = {
    "swift": Model("swift", 1_000_000, 2_000_000, 20_000, 4_000, ("temperature",), ("thrifty",), 500_000, 1_000_000),
    "thrifty": Model("thrifty", 100_000, 200_000, 20_000, 4_000, ("temperature",), (), 50_000, 100_000),
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

    `asked`: the prompts of all calls. `closed`: how many answers were stopped before their end. `shut`: models that may
    not be asked now.
    """

    def __init__(self) -> None:
        self.scripts: list[list[Line]] = []
        self.asked: list[Prompt] = []
        self.closed = 0
        self.shut: set[str] = set()

    def open_models(self, model: str) -> list[str]:
        return [each for each in (model, *PlainModels().find(model).fallbacks) if each not in self.shut]

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
    """Implements `application.ports.PartialTexts` and `TextSignals`, in a dict. `reads` counts."""

    def __init__(self) -> None:
        self.pieces: dict[tuple[AttemptText, int], str] = {}
        self.removed: list[UUID] = []
        self.reads = 0
        self._watches: list[tuple[UUID, asyncio.Event]] = []

    async def append(self, of: AttemptText, start: int, text: str) -> bool:
        self.pieces[of, start] = max(self.pieces.get((of, start), ""), text, key=len)
        self._signal(of.generation_id)
        return True

    async def read(self, of: AttemptText, start: int) -> str:
        self.reads += 1
        own = sorted((at, text) for (kept, at), text in self.pieces.items() if kept == of)
        text = ""
        for at, piece in own:
            if at == len(text):
                text += piece
        return text[start:]

    async def remove(self, generation_id: UUID, last_attempt: int) -> None:
        self.pieces = {
            (of, start): piece
            for (of, start), piece in self.pieces.items()
            if of.generation_id != generation_id or of.attempt > last_attempt
        }
        self.removed.append(generation_id)
        self._signal(generation_id)

    @contextmanager
    def watched(self, generation_id: UUID) -> Iterator[asyncio.Event]:
        watch = (generation_id, asyncio.Event())
        self._watches.append(watch)
        try:
            yield watch[1]
        finally:
            self._watches.remove(watch)

    def _signal(self, generation_id: UUID) -> None:
        for id, changed in self._watches:
            if id == generation_id:
                changed.set()
