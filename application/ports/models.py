"""Ports to the models that can be asked: what each of them can do and what it costs, and how long a prompt is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from application.ports.provider import Message
from domain.kernel import Invalid

Capability = Literal["temperature"]
"""What only some models take. `temperature`: a prompt may name one."""

MILLION = 1_000_000


class UnknownModel(Invalid):
    """The catalogue has no such model."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the catalogue. Prices are in micro-dollars for a million tokens; windows are in tokens.

    `fallbacks`: models that answer if this one cannot, in this order. None of them costs more or takes less.
    `batch_input_price`, `batch_output_price`: of texts that may come within a day; None: there is no such offer.
    """

    name: str
    input_price: int
    output_price: int
    context_window: int
    max_output_tokens: int
    capabilities: tuple[Capability, ...]
    fallbacks: tuple[str, ...]
    batch_input_price: int | None = None
    batch_output_price: int | None = None

    def cost(self, input_tokens: int, output_tokens: int) -> int:
        """Return the price of so many tokens in micro-dollars, rounded up.

        With the length of a prompt and its maximum output, this is the most that an answer costs.
        """
        return -(-(input_tokens * self.input_price + output_tokens * self.output_price) // MILLION)


class Models(Protocol):
    """The models that can be asked."""

    @property
    def default(self) -> Model:
        """The model for requests that name none."""

    def all(self) -> Sequence[Model]:
        """Return all models, in the order in which they are shown."""

    def find(self, name: str) -> Model:
        """Return a model.

        Raises:
            UnknownModel
        """


class TokenCounter(Protocol):
    """Counts the tokens of prompts without asking the provider, whose own count replaces it afterwards."""

    async def count(self, messages: Sequence[Message]) -> int:
        """Return the number of tokens of a prompt: an upper bound for models that cut text as the counter does."""
