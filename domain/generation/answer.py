"""What models have answered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from domain.generation.pricing import AttemptCost, TokenPrice

AnswerEnding = Literal["complete", "length", "filtered"]
"""The answer is complete, or was cut at its maximum of tokens, or by the provider's filter."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """A text with what it has cost. `model`: the one that answered. `is_sandbox`: no model wrote it, but a stand-in."""

    text: str = field(repr=False)
    model: str
    price: TokenPrice
    ending: AnswerEnding
    input_tokens: int
    output_tokens: int
    is_sandbox: bool = False


@dataclass(frozen=True, slots=True)
class AttemptAnswers:
    """The answers of an attempt, one for each variant. None: this variant failed, and others did not.

    `failed_input_tokens`, `failed_output_tokens`: what those that failed have used.
    """

    variants: Sequence[ModelAnswer | None]
    failed_input_tokens: int = 0
    failed_output_tokens: int = 0

    @property
    def has_text(self) -> bool:
        """Whether any of them can be shown."""
        return any(answer is not None and answer.text.strip() for answer in self.variants)

    @property
    def given(self) -> list[ModelAnswer]:
        """The answers of variants that did not fail."""
        return [answer for answer in self.variants if answer is not None]

    def cost(self, price: TokenPrice) -> AttemptCost:
        """Return what all have cost. `price`: of the model that was asked for, for what has failed."""
        failed = AttemptCost.of(price, self.failed_input_tokens, self.failed_output_tokens)
        costs = [AttemptCost.of(answer.price, answer.input_tokens, answer.output_tokens) for answer in self.given]
        return sum(costs, start=failed)
