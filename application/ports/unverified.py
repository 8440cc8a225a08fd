"""Port to the accounts whose address was never verified."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class UnverifiedUser:
    """A user who has not verified their address, and until when they may."""

    id: UUID
    due_at: datetime


class UnverifiedUsers(Protocol):
    """Finds users who have not verified their address in time (`domain.identity.links.verifiable_until`)."""

    async def due(self, now: datetime, *, after: UnverifiedUser | None) -> list[UnverifiedUser]:
        """Return the next users whose time was over before `now`, in this order; empty: there are no more.

        `after`: the last user of the previous call.

        Raises:
            Unavailable: the database does not answer.
        """
