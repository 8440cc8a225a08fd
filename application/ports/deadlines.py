"""Port to what is to be done about accounts at a certain time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

DeadlineKind = Literal["former_email", "deletion_soon", "deletion"]
"""What is due: the former address becomes free, the user is reminded of the deletion, the account is erased."""


@dataclass(frozen=True, slots=True)
class AccountDeadline:
    """Something to be done about a user's account at a time."""

    user_id: UUID
    kind: DeadlineKind
    due_at: datetime


class AccountDeadlines(Protocol):
    """Finds what is due."""

    async def due(self, now: datetime, *, after: AccountDeadline | None) -> list[AccountDeadline]:
        """Return the next deadlines that were before a time, in their order; empty: there are no more.

        `after`: the last deadline of the previous call.

        Raises:
            Unavailable: the database does not answer.
        """
