"""HTTP for receipts of generations."""

from uuid import UUID

from adapters.http.api.openapi import operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from application.generation.receipt import Receipt, receipt
from domain.generation.generation import GENERATION

router = Router("/v1/generations", tag="generations")


@router.get(
    "/{generation_id}/receipt",
    response_model=Receipt,
    **operation("The receipt.", access=GENERATION.action("read")),
)
async def get_receipt(generation_id: UUID, read: Read) -> Answer:
    """Get what a generation has cost, attempt by attempt. Requires the asker role.

    Attempts that were free are left out. Costs and prices are micro-dollars, prices for a million tokens. Never stale:
    read from the event log.
    """
    return read.unversioned(await receipt(read.history, read.actor, generation_id))
