"""What a model has answered."""

from dataclasses import dataclass, field
from typing import Literal

from domain.generation.pricing import TokenPrice

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
