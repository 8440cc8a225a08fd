"""Generations as operators list them, without what is sealed; `generation.py` writes the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.ports import ReadStore
from domain.generation.events import Failure
from domain.generation.generation import Result, Status
from domain.kernel import PartyKind
from projections.columns import columns_of
from projections.generation.generation import Generations
from projections.kernel import reads


@dataclass(frozen=True, slots=True)
class ListedGeneration:
    """A generation as operators see it: neither its prompt nor its texts. `cost_micros`: of all attempts."""

    id: UUID
    document_id: UUID
    asker_id: UUID
    payer_kind: PartyKind
    payer_id: UUID
    status: Status
    result: Result | None
    failure: Failure | None
    model: str
    stand_in: str | None
    answered_by: str | None
    own_key: bool
    latest_at: datetime | None
    variants: int
    attempt: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
    created_at: datetime
    updated_at: datetime


LISTED = f"""
SELECT {columns_of(ListedGeneration, "g")} FROM read.generation g WHERE g.status = ANY(%s)
ORDER BY g.updated_at DESC, g.id DESC LIMIT %s
"""  # noqa: S608 - columns of our own
ONE = f"SELECT {columns_of(ListedGeneration, 'g')} FROM read.generation g WHERE g.id = %s"  # noqa: S608 - as above


@reads(Generations)
async def listed_generations(rows: ReadStore, statuses: Sequence[Status], limit: int) -> list[ListedGeneration]:
    """Return the generations of all users in these states, the latest first."""
    return await rows.all(ListedGeneration, LISTED, [[*statuses], limit])


@reads(Generations)
async def listed_generation(rows: ReadStore, id: UUID) -> ListedGeneration | None:
    """Return one generation; None: there is none, or it is erased."""
    return await rows.one(ListedGeneration, ONE, [id])
