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


@dataclass(frozen=True, slots=True)
class Fallback:
    """A model that is asked in place of the one that is to write, and its price."""

    model: str
    price: TokenPrice


@dataclass(frozen=True, slots=True)
class AttemptCost:
    """What an attempt has used and cost."""

    input_tokens: int
    output_tokens: int
    micros: int

    @classmethod
    def of(cls, price: TokenPrice, input_tokens: int, output_tokens: int) -> "AttemptCost":
        """Return the cost of so many tokens."""
        return cls(input_tokens, output_tokens, price.cost(input_tokens, output_tokens))

    def __add__(self, other: "AttemptCost") -> "AttemptCost":
        """Return the cost of both."""
        return AttemptCost(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.micros + other.micros,
        )
