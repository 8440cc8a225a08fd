"""A scripted provider of language models, and what tests of all providers share."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.provider.catalogue import Catalogue
from application.ports import AnswerEnd, Message, Prompt, Provider, TextPiece

CANARY = "otter-canary-prompt"
"""Stands in the prompt and in the answers of rude servers: no error and no log may show it."""
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

CATALOGUE = Catalogue(
    """
default = "talker"

[[models]]
name = "talker"
provider_name = "gpt-4.1-mini"
api = "chat"
input_price = 400_000
output_price = 1_600_000
batch_input_price = 200_000
batch_output_price = 800_000
context_window = 100_000
max_output_tokens = 10_000
capabilities = ["temperature"]
fallbacks = ["small-talker"]

[[models]]
name = "responder"
provider_name = "gpt-5"
api = "responses"
input_price = 1_250_000
output_price = 10_000_000
batch_input_price = 625_000
batch_output_price = 5_000_000
context_window = 100_000
max_output_tokens = 10_000
capabilities = []
fallbacks = []

[[models]]
name = "small-talker"
provider_name = "gpt-4.1-nano"
api = "chat"
input_price = 100_000
output_price = 400_000
context_window = 100_000
max_output_tokens = 10_000
capabilities = ["temperature"]
fallbacks = []
""".replace("small-talker", "small-talker")
)
"""Models of both APIs, and one with a fallback."""


def clock() -> datetime:
    """The time, which does not pass."""
    return NOW


def prompt(text: str = CANARY, model: str = "talker", *, longest: int = 200) -> Prompt:
    """A prompt with rules and a question."""
    return Prompt(model, (Message("system", "Write about otters."), Message("user", text)), longest)


@dataclass(frozen=True)
class Answer:
    """A whole answer. `pieces`: how many pieces of text it came in."""

    text: str
    pieces: int
    end: AnswerEnd


async def answer(provider: Provider, asked: Prompt) -> Answer:
    """Read an answer to its end."""
    async with aclosing(provider.answer(asked)) as items:
        *pieces, end = [item async for item in items]
    assert isinstance(end, AnswerEnd)
    texts = [piece.text for piece in pieces if isinstance(piece, TextPiece)]
    assert len(texts) == len(pieces)
    assert all(texts)
    return Answer("".join(texts), len(texts), end)


Script = list[TextPiece | AnswerEnd | Exception]
"""The items of an answer; an exception is raised."""


class ScriptedProvider:
    """A scripted provider: each answer yields the items of the next script, and raises its error.

    `asked`: the models, in their order; `stopped`: those whose answers were closed before their end.
    """

    def __init__(self, *scripts: Script) -> None:
        self.scripts = [*scripts]
        self.asked: list[str] = []
        self.stopped: list[str] = []

    def open_models(self, model: str) -> list[str]:
        """Return all of the chain."""
        return [model, *CATALOGUE.find(model).fallbacks]

    async def answer(self, prompt: Prompt) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
        """Play the next script."""
        self.asked.append(prompt.model)
        try:
            for item in self.scripts.pop(0):
                if isinstance(item, Exception):
                    raise item
                yield item
        except GeneratorExit:
            self.stopped.append(prompt.model)
            raise
