"""Port to a provider of language models: it writes text for a prompt, piece by piece."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, Protocol

from application.ports.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Message:
    """A part of a prompt. `author`: "system" gives rules, "user" asks, "assistant" is an earlier answer."""

    author: Literal["system", "user", "assistant"]
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked. `model`: its name in the catalogue. `temperature`: None is the provider's default.

    `key`: the key that pays, if it is not ours.
    `request_id`: our name of the request, by which the provider's logs and bills can be compared with our events.
    """

    model: str
    messages: tuple[Message, ...]
    max_output_tokens: int
    temperature: float | None = None
    key: str | None = field(default=None, repr=False)
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Some more characters of the answer."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the provider counted, in tokens."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """The end of an answer. `usage`: None if the provider did not tell it, or told what cannot be.

    `reason`: the answer is complete, or cut at `max_output_tokens`, or cut by the provider's filter. `is_sandbox`: no
    model wrote it, but a stand-in.
    """

    reason: Literal["complete", "length", "filtered"]
    usage: Usage | None
    is_sandbox: bool = False


class PromptRefused(Exception):
    """The provider refuses this prompt for good. `reason`: a short text for operators, without personal data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeyRefused(PromptRefused):
    """The provider does not take the key."""


class NotAsked(Unavailable):
    """The provider was not asked at all: our own caps are reached, or the model is left alone for a while."""


class AnswerCut(Unavailable):
    """The provider was asked, and the answer does not come, or does not end: it may have to be paid for."""


ANSWER_TIMEOUT = timedelta(minutes=11)
"""The longest time of `Provider.answer`. Kinds of jobs that wait for it take it as their `run_timeout`."""


class Provider(Protocol):
    """A provider of language models."""

    def open_models(self, model: str) -> list[str]:
        """Return which of a model and its fallbacks may be asked now with our key, in the order of the chain.

        Raises:
            UnknownModel: the catalogue has not the model.
        """

    def answer(self, prompt: Prompt) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
        """Write the answer to a prompt: pieces of text, then one `AnswerEnd`.

        To close the generator stops the provider, so use it in `contextlib.aclosing`: a `break` alone does not.

        Raises:
            PromptRefused: a repeat cannot help.
            AnswerCut: the connection was lost, or no text came for too long, after the request was sent; or the answer
                failed after it had begun.
            NotAsked: it is not to be asked now.
            Unavailable: the provider does not answer, is overloaded or wants a pause; nothing has begun.
        """


TryKey = Callable[[str], Awaitable[None]]
"""Asks the provider for something that costs nothing, with a key. Raises `KeyRefused`, `Unavailable`."""
