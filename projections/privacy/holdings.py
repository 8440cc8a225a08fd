"""What belongs to whom, for erasures and other commands: reads the tables of other contexts.

A read model lacks streams that it has quarantined or whose events it has skipped. All of these are among the answers,
not listed: the command loads each and lets it decide.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from application.ports import HeldStream, Positions, ReadStore, Unavailable
from domain.kernel import Party
from projections.kernel import models_read_by, reads
from projections.visibility import LENT

WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LentDocuments:
    """What a user has lent to a team, at most `limit` documents. `now`: offers that expire later are open."""

    user_id: UUID
    team_id: UUID
    now: datetime
    limit: int


Whose = TypeVar("Whose", UUID, Party, LentDocuments)
Found = TypeVar("Found", list[HeldStream], Party | None)
HoldingsQuery = Callable[[ReadStore, Whose], Awaitable[Found]]


def _held(listed: str, *models: str) -> str:
    """Return the query of the streams that `listed` selects, after those that one of the read models has left out."""
    names = ", ".join(f"'{model}'" for model in models)
    return f"""
        SELECT id, bool_or(listed) AS listed FROM (
            SELECT id, true AS listed FROM ({listed}) AS shown
            UNION ALL SELECT stream_id, false FROM projection_quarantine WHERE projection IN ({names})
            UNION ALL SELECT stream_id, false FROM projection_skips WHERE projection IN ({names})
        ) AS held GROUP BY id ORDER BY listed
    """  # noqa: S608 - our own names only


DOCUMENTS_OF = _held(
    "SELECT id FROM read.document WHERE owner_kind = %s AND owner_id = %s", "document", "document_version"
)
"""Also what the list of versions has left out: an erasure of a document waits for that list, too."""
OWNER_OF = "SELECT owner_kind AS kind, owner_id AS id FROM read.document WHERE id = %s"
TEAMS_OF = _held("SELECT team_id AS id FROM read.team_roster WHERE user_id = %s", "team_roster")
SHARED_WITH = _held(
    """
    SELECT document_id AS id FROM read.document_access WHERE address_id = %(id)s
    UNION SELECT document_id FROM read.document_ownership_offer WHERE address_id = %(id)s
    """,
    "document_access",
    "document_ownership_offer",
)
TO_OFFER = f"""
SELECT s.document_id AS id, true AS listed FROM {LENT}
WHERE s.team_id = %(team_id)s AND o.owner_id = %(user_id)s AND o.trashed_at IS NULL AND NOT EXISTS (
    SELECT FROM read.document_ownership_offer f WHERE f.document_id = s.document_id AND f.expires_at > %(now)s
) ORDER BY s.document_id LIMIT %(limit)s
"""  # noqa: S608 - our own words only
OPEN_REQUESTS = _held(
    """
    SELECT r.id FROM read.access_request r
    JOIN read.user_profile p ON p.id = r.user_id AND NOT p.hidden AND NOT p.closed
    WHERE r.document_id = %s AND r.state = 'open' LIMIT 1
    """,
    "access_request",
    "user_profile",
)
BOUND_TO = _held("SELECT document_id AS id FROM read.document_access WHERE user_id = %s", "document_access")
INVITING = _held("SELECT team_id AS id FROM read.team_invitation WHERE address_id = %s", "team_invitation")
GENERATIONS_OF = _held("SELECT id FROM read.generation WHERE asker_id = %s", "generation")
GENERATIONS_FOR = _held("SELECT id FROM read.generation WHERE document_id = %s", "generation")


@reads("document")
async def documents_of(rows: ReadStore, owner: Party) -> list[HeldStream]:
    """Return the documents that a user or a team owns."""
    return await rows.all(HeldStream, DOCUMENTS_OF, [owner.kind, owner.id])


@reads("document")
async def owner_of(rows: ReadStore, document_id: UUID) -> Party | None:
    """Return the owner of a document as far as reads know."""
    return await rows.one(Party, OWNER_OF, [document_id])


@reads("team_roster")
async def teams_of(rows: ReadStore, user_id: UUID) -> list[HeldStream]:
    """Return the teams of which the user is a member."""
    return await rows.all(HeldStream, TEAMS_OF, [user_id])


@reads("document_access", "document_ownership_offer")
async def documents_shared_with(rows: ReadStore, address_id: UUID) -> list[HeldStream]:
    """Return the documents that are shared with an address or offered to it."""
    return await rows.all(HeldStream, SHARED_WITH, {"id": address_id})


@reads("document", "document_ownership_offer", "document_team_share", "team", "team_roster")
async def documents_to_offer(rows: ReadStore, lent: LentDocuments) -> list[HeldStream]:
    """Return documents that a user has lent to a team and can offer to it."""
    return await rows.all(HeldStream, TO_OFFER, asdict(lent))


@reads("access_request", "user_profile")
async def open_access_requests(rows: ReadStore, document_id: UUID) -> list[HeldStream]:
    """Return an open request for a document, if there is one."""
    return await rows.all(HeldStream, OPEN_REQUESTS, [document_id])


@reads("document_access")
async def documents_bound_to(rows: ReadStore, user_id: UUID) -> list[HeldStream]:
    """Return the documents with a share that is bound to the user."""
    return await rows.all(HeldStream, BOUND_TO, [user_id])


@reads("team_invitation")
async def teams_inviting(rows: ReadStore, address_id: UUID) -> list[HeldStream]:
    """Return the teams that have invited an address."""
    return await rows.all(HeldStream, INVITING, [address_id])


@reads("generation")
async def generations_of(rows: ReadStore, asker_id: UUID) -> list[HeldStream]:
    """Return the generations that a user has asked for."""
    return await rows.all(HeldStream, GENERATIONS_OF, [asker_id])


@reads("generation")
async def generations_for(rows: ReadStore, document_id: UUID) -> list[HeldStream]:
    """Return the generations for a document."""
    return await rows.all(HeldStream, GENERATIONS_FOR, [document_id])


class ReadHoldings:
    """Implements `application.ports.Holdings`. `head` returns the end of the log, which the read models must reach."""

    def __init__(self, rows: ReadStore, positions: Positions, head: Callable[[], Awaitable[int]]) -> None:
        self._rows = rows
        self._positions = positions
        self._head = head

    async def documents_of(self, owner: Party) -> list[HeldStream]:
        """See `Holdings`."""
        return await self._ask(documents_of, owner)

    async def owner_of(self, document_id: UUID) -> Party | None:
        """See `Holdings`."""
        return await self._ask(owner_of, document_id)

    async def teams_of(self, user_id: UUID) -> list[HeldStream]:
        """See `Holdings`."""
        return await self._ask(teams_of, user_id)

    async def documents_shared_with(self, address_id: UUID) -> list[HeldStream]:
        """See `Holdings`."""
        return await self._ask(documents_shared_with, address_id)

    async def documents_to_offer(self, user_id: UUID, team_id: UUID, *, now: datetime, limit: int) -> list[HeldStream]:
        """See `Holdings`."""
        return await self._ask(documents_to_offer, LentDocuments(user_id, team_id, now, limit))

    async def open_access_requests(self, document_id: UUID) -> list[HeldStream]:
        """See `Holdings`."""
        return await self._ask(open_access_requests, document_id)

    async def documents_bound_to(self, user_id: UUID) -> list[HeldStream]:
        """See `Holdings`."""
        return await self._ask(documents_bound_to, user_id)

    async def teams_inviting(self, address_id: UUID) -> list[HeldStream]:
        """See `Holdings`."""
        return await self._ask(teams_inviting, address_id)

    async def generations_of(self, asker_id: UUID) -> list[HeldStream]:
        """See `Holdings`."""
        return await self._ask(generations_of, asker_id)

    async def generations_for(self, document_id: UUID) -> list[HeldStream]:
        """See `Holdings`."""
        return await self._ask(generations_for, document_id)

    async def _ask(self, query: HoldingsQuery[Whose, Found], whose: Whose) -> Found:
        head = await self._head()
        for name in models_read_by(query):
            if await self._positions.wait(name, head, WAIT_SECONDS):
                raise Unavailable("The read model")
        return await query(self._rows, whose)
