"""Port to what belongs to people, for erasures."""

from typing import Protocol
from uuid import UUID


class Holdings(Protocol):
    """Finds the streams that an erasure concerns.

    Nothing that was stored before the call is missing. Others may be among the ids: load each, and let it decide.

    Raises:
        Unavailable: the read models are behind, or the database does not answer.
    """

    async def documents_of(self, owner_id: UUID) -> list[UUID]:
        """Return the documents that a user or a team owns."""

    async def teams_of(self, user_id: UUID) -> list[UUID]:
        """Return the teams of which the user is a member."""

    async def documents_shared_with(self, address_id: UUID) -> list[UUID]:
        """Return the documents that are shared with an address."""

    async def documents_bound_to(self, user_id: UUID) -> list[UUID]:
        """Return the documents with a share that is bound to the user."""

    async def teams_inviting(self, address_id: UUID) -> list[UUID]:
        """Return the teams that have invited an address."""
