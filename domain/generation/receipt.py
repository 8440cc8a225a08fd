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
    """An attempt that has cost something. `failure`: why it gave no text; None: it gave the text.

    `model`: the one that was asked, or that has answered, if only some of several variants. `input_price`,
    `output_price`: micro-dollars for a million tokens; None: another model than the one asked for has answered, for
    less. `payer_kind`, `payer_id`, `month`: who pays, from the budget of which month.
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
    match event:
        case Generation.Answered(model=model):
            return model
        case Generation.VariantsAnswered(models=models):
            return next((model for model in models if model and model != generation.writer), generation.writer)
    return generation.writer


def _price(generation: Generation, event: CostEvent) -> TokenPrice | None:
    """Return the price that the cost follows from; None: it was that of a fallback, which no event has."""
    if isinstance(event, Generation.VariantsAnswered):  # each is rounded up by itself
        return generation.price if _model(generation, event) == generation.writer else None
    price = generation.price
    return price if price.cost(event.input_tokens, event.output_tokens) == event.cost_micros else None
