"""Reading of receipts."""

from dataclasses import dataclass
from uuid import UUID

from application.generation.generation import read_generation
from application.ports import Actor, EventStore
from domain.generation.generation import Status
from domain.generation.receipt import ReceiptLine, receipt_lines


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a generation has cost until now, in micro-dollars: attempt by attempt, and in all.

    `model`: the one that was asked for. `stand_in`: the cheaper one that is asked instead. `is_sandbox`: no model wrote
    the text, but a stand-in for one.
    """

    generation_id: UUID
    document_id: UUID
    status: Status
    model: str
    stand_in: str | None
    is_sandbox: bool
    attempts: list[ReceiptLine]
    input_tokens: int
    output_tokens: int
    cost_micros: int


async def receipt(events: EventStore, actor: Actor, id: UUID) -> Receipt:
    """Return the receipt of a generation, as the log has it now.

    Raises:
        NotFound: it does not exist for the actor.
    """
    generation = await read_generation(events, actor, id)
    found = await events.events([(id, version) for version in range(1, generation.version + 1)])
    return Receipt(
        generation_id=id,
        document_id=generation.document_id,
        status=generation.status,
        model=generation.model,
        stand_in=generation.stand_in,
        is_sandbox=generation.is_sandbox,
        attempts=receipt_lines(found),
        input_tokens=generation.input_tokens,
        output_tokens=generation.output_tokens,
        cost_micros=generation.cost_micros,
    )
