"""Receipts of generations: what each attempt has cost, by the events."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.generation.events import Failure
from domain.generation.generation import Generation
from domain.generation.pricing import TokenPrice
from domain.kernel import PartyKind, Root


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """An attempt that has cost something, with all its variants. `failure`: why it gave no text; None: it gave one.

    `model`: the one that was asked, or the first that has answered. `input_price`, `output_price`: micro-dollars for a
    million tokens; None: another model than `model` has answered, for less. `payer_kind`, `payer_id`, `month`: who
    pays, from the budget of which month.
    """

    attempt: int
    at: datetime
    model: str
    failure: Failure | None
    input_tokens: int
    output_tokens: int
    input_price: int | None
    output_price: int | None
    cost_micros: int
    payer_kind: PartyKind
    payer_id: UUID
    month: str


def receipt_lines(events: Iterable[Root.Event]) -> list[ReceiptLine]:
    """Return the lines of a receipt. `events`: all of a generation, in order."""
    return [*_lines(events)]


CostEvent = Generation.AttemptEnded | Generation.Answered | Generation.VariantsAnswered
"""Events with costs."""


def _lines(events: Iterable[Root.Event]) -> Iterator[ReceiptLine]:
    generation: Generation | None = None
    for event in events:
        generation = Generation.shell(event) if generation is None else generation
        event.apply(generation)
        if isinstance(event, CostEvent) and (event.input_tokens or event.output_tokens):
            yield _line(generation, event)


def _line(generation: Generation, event: CostEvent) -> ReceiptLine:
    price = _price(generation, event)
    return ReceiptLine(
        attempt=event.attempt,
        at=event.timestamp,
        model=_model(generation, event),
        failure=event.failure if isinstance(event, Generation.AttemptEnded) else None,
        input_tokens=event.input_tokens,
        output_tokens=event.output_tokens,
        input_price=None if price is None else price.input,
        output_price=None if price is None else price.output,
        cost_micros=event.cost_micros,
        payer_kind=generation.payer_kind,
        payer_id=generation.payer_id,
        month=generation.month,
    )


def _model(generation: Generation, event: CostEvent) -> str:
    if isinstance(event, Generation.Answered):
        return event.model
    if isinstance(event, Generation.VariantsAnswered):
        return next(model for model in event.models if model is not None)
    return generation.asked_model


def _price(generation: Generation, event: CostEvent) -> TokenPrice | None:
    """Return the price that the cost follows from; None: of a fallback of before its price was recorded.

    The cost of each variant is rounded up on its own.
    """
    price = generation.asked_price
    rounded = event.cost_micros - price.cost(event.input_tokens, event.output_tokens)
    return price if rounded in range(generation.variants) else None
