"""Port to the documents whose time is over: in the trash, or without a change."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID


class KeptDocuments(Protocol):
    """Finds documents by age, in the order of their ids, after a document (None: from the first one).

    Each call returns the next ones; empty: there are no more.

    Raises:
        Unavailable: the database does not answer.
    """

    async def trashed(self, before: datetime, *, after: UUID | None) -> Sequence[UUID]:
        """Return documents that were moved to the trash before a time and are still in it."""

    async def unchanged(self, since: datetime, *, after: UUID | None) -> Sequence[UUID]:
        """Return documents, not archived and not in the trash, that were not saved after a time."""
