"""What belongs to whom, for erasures: reads the tables of other contexts.

A read model lacks streams that it has quarantined or whose events it has skipped. All of these are among the answers:
the command loads each and lets it decide.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from application.ports import Positions, ReadStore, Unavailable
from projections.kernel import models_read_by, reads

WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StreamId:
    """The id of a stream."""

    id: UUID


HoldingsQuery = Callable[[ReadStore, UUID], Awaitable[list[UUID]]]


def _left_out(model: str) -> str:
    return f"""
        UNION SELECT stream_id FROM projection_quarantine WHERE projection = '{model}'
        UNION SELECT stream_id FROM projection_skips WHERE projection = '{model}'
    """  # noqa: S608 - our own names only


DOCUMENTS_OF = f"SELECT id FROM read.document WHERE owner_id = %s {_left_out('document')}"  # noqa: S608
TEAMS_OF = f"SELECT team_id AS id FROM read.team_roster WHERE user_id = %s {_left_out('team_roster')}"  # noqa: S608
SHARED_WITH = f"""
SELECT document_id AS id FROM read.document_access WHERE address_id = %s {_left_out("document_access")}
"""  # noqa: S608
BOUND_TO = f"""
SELECT document_id AS id FROM read.document_access WHERE user_id = %s {_left_out("document_access")}
"""  # noqa: S608
INVITING = f"""
SELECT team_id AS id FROM read.team_invitation WHERE address_id = %s {_left_out("team_invitation")}
"""  # noqa: S608


@reads("document")
async def documents_of(rows: ReadStore, owner_id: UUID) -> list[UUID]:
    """Return the documents that a user or a team owns."""
    return [found.id for found in await rows.all(StreamId, DOCUMENTS_OF, [owner_id])]


@reads("team_roster")
async def teams_of(rows: ReadStore, user_id: UUID) -> list[UUID]:
    """Return the teams of which the user is a member."""
    return [found.id for found in await rows.all(StreamId, TEAMS_OF, [user_id])]


@reads("document_access")
async def documents_shared_with(rows: ReadStore, address_id: UUID) -> list[UUID]:
    """Return the documents that are shared with an address."""
    return [found.id for found in await rows.all(StreamId, SHARED_WITH, [address_id])]


@reads("document_access")
async def documents_bound_to(rows: ReadStore, user_id: UUID) -> list[UUID]:
    """Return the documents with a share that is bound to the user."""
    return [found.id for found in await rows.all(StreamId, BOUND_TO, [user_id])]


@reads("team_invitation")
async def teams_inviting(rows: ReadStore, address_id: UUID) -> list[UUID]:
    """Return the teams that have invited an address."""
    return [found.id for found in await rows.all(StreamId, INVITING, [address_id])]


class ReadHoldings:
    """Implements `application.ports.Holdings`. `head` returns the end of the log, which the read models must reach."""

    def __init__(self, rows: ReadStore, positions: Positions, head: Callable[[], Awaitable[int]]) -> None:
        self._rows = rows
        self._positions = positions
        self._head = head

    async def documents_of(self, owner_id: UUID) -> list[UUID]:
        """See `Holdings`."""
        return await self._ask(documents_of, owner_id)

    async def teams_of(self, user_id: UUID) -> list[UUID]:
        """See `Holdings`."""
        return await self._ask(teams_of, user_id)

    async def documents_shared_with(self, address_id: UUID) -> list[UUID]:
        """See `Holdings`."""
        return await self._ask(documents_shared_with, address_id)

    async def documents_bound_to(self, user_id: UUID) -> list[UUID]:
        """See `Holdings`."""
        return await self._ask(documents_bound_to, user_id)

    async def teams_inviting(self, address_id: UUID) -> list[UUID]:
        """See `Holdings`."""
        return await self._ask(teams_inviting, address_id)

    async def _ask(self, query: HoldingsQuery, id: UUID) -> list[UUID]:
        head = await self._head()
        for name in models_read_by(query):
            if await self._positions.wait(name, head, WAIT_SECONDS):
                raise Unavailable("The read model")
        return await query(self._rows, id)
