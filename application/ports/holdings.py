"""Port to what belongs to people, for erasures and for other work that nothing may be missing in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.kernel import Party


@dataclass(frozen=True, slots=True)
class HeldStream:
    """A stream that an erasure looks at. `listed`: reads show that it concerns the erasure.

    If not, a read model has left the stream out, and only the stream itself says whom it concerns.
    """

    id: UUID
    listed: bool


class Holdings(Protocol):
    """Finds the streams that an erasure concerns. Nothing that was stored before the call is missing.

    Raises:
        Unavailable: the read models are behind, or the database does not answer.
    """

    async def documents_of(self, owner: Party) -> list[HeldStream]:
        """Return the documents that a user or a team owns."""

    async def owner_of(self, document_id: UUID) -> Party | None:
        """Return the owner of a document as far as reads know; None: they do not show the document."""

    async def teams_of(self, user_id: UUID) -> list[HeldStream]:
        """Return the teams of which the user is a member."""

    async def documents_shared_with(self, address_id: UUID) -> list[HeldStream]:
        """Return the documents that are shared with an address or offered to it."""

    async def documents_to_offer(self, user_id: UUID, team_id: UUID, *, now: datetime, limit: int) -> list[HeldStream]:
        """Return documents that a user has lent to a team, outside the trash and without an open offer; all are listed.

        `limit`: the maximum number.
        """

    async def open_access_requests(self, document_id: UUID) -> list[HeldStream]:
        """Return an open request for a document, of a user whose account is open, if there is one."""

    async def documents_bound_to(self, user_id: UUID) -> list[HeldStream]:
        """Return the documents with a share that is bound to the user."""

    async def generations_of(self, asker_id: UUID) -> list[HeldStream]:
        """Return the generations that a user has asked for."""

    async def generations_for(self, document_id: UUID) -> list[HeldStream]:
        """Return the generations for a document."""

    async def teams_inviting(self, address_id: UUID) -> list[HeldStream]:
        """Return the teams that have invited an address."""
