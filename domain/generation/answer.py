"""What models have answered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from domain.content.texts import CONTENT_LENGTH
from domain.generation.cleaning import cleaned
from domain.generation.pricing import AttemptCost, TokenPrice
from domain.text import UnusableText, multi_line

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

    def __post_init__(self) -> None:
        """Refuse a text that was not cleaned, or is longer than a document. Raises `UnusableText`."""
        multi_line(self.text, "A text", CONTENT_LENGTH)
        if cleaned(self.text) != self.text:
            raise UnusableText("A text of a model has no control characters but tabs and line ends.")


NOTHING = AttemptCost(0, 0, 0)


@dataclass(frozen=True, slots=True)
class AttemptAnswers:
    """The answers of an attempt, one for each variant. None: this variant failed or is refused, and others are not.

    `unkept`: what those that failed or are refused have cost. `uncounted`: the variants, from 1, whose tokens only we
    have counted.
    """

    variants: Sequence[ModelAnswer | None]
    unkept: AttemptCost = NOTHING
    uncounted: Sequence[int] = ()

    @property
    def has_text(self) -> bool:
        """Whether any of them can be shown."""
        return any(answer is not None and answer.text.strip() for answer in self.variants)

    @property
    def given(self) -> list[ModelAnswer]:
        """The answers of variants that are kept."""
        return [answer for answer in self.variants if answer is not None]

    @property
    def cost(self) -> AttemptCost:
        """What all have cost."""
        costs = [AttemptCost.of(answer.price, answer.input_tokens, answer.output_tokens) for answer in self.given]
        return sum(costs, start=self.unkept)
