"""Prices and costs, in whole micro-dollars (millionths of a US dollar)."""

from dataclasses import dataclass

PER_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What something has cost, in tokens and in micro-dollars."""

    tokens: int
    micros: int


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """Micro-dollars for a million tokens of a prompt (`input`) and of an answer (`output`)."""

    input: int
    output: int

    def cost(self, input_tokens: int, output_tokens: int) -> int:
        """Return the cost in micro-dollars, rounded up."""
        return -(-(self.input * input_tokens + self.output * output_tokens) // PER_TOKENS)
