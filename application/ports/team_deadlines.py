"""Port to the teams in which something has become due."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class TeamDeadlines(Protocol):
    """Finds teams in which something is due."""

    async def due(self, now: datetime, *, after: UUID | None) -> list[UUID]:
        """Return the next teams with an expired invitation or a due dissolution, by id; empty: there are no more.

        A dissolution is due until the team has no document left.

        `after`: the last team of the previous call.

        Raises:
            Unavailable: the database does not answer.
        """
