"""Documents by how long they are kept: in the trash, or without a change. It reads the table of `document.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.ports import ReadStore
from projections.content.document import DocumentDetails
from projections.kernel import reads

BATCH = 200
FIRST = UUID(int=0)

TRASHED = "SELECT id FROM read.document WHERE trashed_at < %s AND id > %s ORDER BY id LIMIT %s"
UNCHANGED = """
SELECT id FROM read.document
WHERE updated_at <= %s AND status <> 'archived' AND trashed_at IS NULL AND id > %s ORDER BY id LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class KeptDocument:
    """A document."""

    id: UUID


@reads(DocumentDetails)
async def trashed(rows: ReadStore, before: datetime, after: UUID | None) -> Sequence[UUID]:
    """Return the next documents that were moved to the trash before a time; see `KeptDocuments`."""
    return [each.id for each in await rows.all(KeptDocument, TRASHED, [before, after or FIRST, BATCH])]


@reads(DocumentDetails)
async def unchanged(rows: ReadStore, since: datetime, after: UUID | None) -> Sequence[UUID]:
    """Return the next open documents that were not saved after a time; see `KeptDocuments`."""
    return [each.id for each in await rows.all(KeptDocument, UNCHANGED, [since, after or FIRST, BATCH])]


class ReadKeptDocuments:
    """Implements `application.ports.KeptDocuments`."""

    def __init__(self, rows: ReadStore) -> None:
        self._rows = rows

    async def trashed(self, before: datetime, *, after: UUID | None) -> Sequence[UUID]:
        """See `KeptDocuments`."""
        return await trashed(self._rows, before, after)

    async def unchanged(self, since: datetime, *, after: UUID | None) -> Sequence[UUID]:
        """See `KeptDocuments`."""
        return await unchanged(self._rows, since, after)
