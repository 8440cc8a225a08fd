"""Port to the generations that no worker has ended."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class UnfinishedGenerations(Protocol):
    """Finds generations that wait or run for too long. A read model answers, so some may have ended since."""

    async def lost(self, now: datetime) -> list[UUID]:
        """Return those that are not worth waiting for any more. Raises `Unavailable`."""
