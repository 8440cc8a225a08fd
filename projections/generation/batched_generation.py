"""Generations for batches, as the jobs of batches need them; `generation.py` writes the table."""

from datetime import datetime

from application.ports import BatchedGeneration, ReadStore
from projections.generation.generation import Generations
from projections.kernel import reads

MAX_WAITING = 2_000
"""Generations that one look finds."""

COLUMNS = """
id, coalesce(stand_in, model) AS model, payer_kind, payer_id, own_key, batch_id AS batch, in_batch AS is_submitted,
updated_at AS since
"""
WAITING = f"""
SELECT {COLUMNS} FROM read.generation
WHERE status = 'queued' AND latest_at IS NOT NULL AND NOT in_batch ORDER BY created_at, id LIMIT %s
"""  # noqa: S608 - columns of our own
SUBMITTED = f"""
SELECT {COLUMNS} FROM read.generation WHERE in_batch
UNION ALL
SELECT {COLUMNS} FROM read.generation WHERE batch_id IS NOT NULL AND updated_at >= %s AND NOT in_batch
"""  # noqa: S608 - columns of our own


@reads(Generations)
async def waiting_generations(rows: ReadStore) -> list[BatchedGeneration]:
    """Return the generations that wait for a batch, the oldest first."""
    return await rows.all(BatchedGeneration, WAITING, [MAX_WAITING])


@reads(Generations)
async def submitted_generations(rows: ReadStore, since: datetime) -> list[BatchedGeneration]:
    """Return the generations that are in a batch, and those that were in one and have changed since then."""
    return await rows.all(BatchedGeneration, SUBMITTED, [since])


class ReadBatchedGenerations:
    """Implements `application.ports.BatchedGenerations`."""

    def __init__(self, rows: ReadStore) -> None:
        self._rows = rows

    async def waiting(self) -> list[BatchedGeneration]:
        """See `BatchedGenerations`."""
        return await waiting_generations(self._rows)

    async def submitted(self, since: datetime) -> list[BatchedGeneration]:
        """See `BatchedGenerations`."""
        return await submitted_generations(self._rows, since)
