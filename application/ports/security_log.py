"""Port to the security log: who logged in or tried to, and what was refused.

Changes of an account are events of `User`; the log does not repeat them
(`../decisions/0003-what-the-security-log-holds.md`).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.ports.client import Client
from application.security_actions import SecurityAction, SecurityOutcome, SecurityReason


@dataclass(frozen=True, slots=True)
class SecurityEntry:
    """One entry. `user_id`: the account that it is about; None: there is none, or it is not known.

    Of an account that is not known nothing that was typed is kept. `session_id`: the session of the request, or the one
    that is ended. `count`: how many like it there were, within a minute.
    """

    action: SecurityAction
    outcome: SecurityOutcome
    request_id: UUID
    client: Client | None = field(default=None, repr=False)
    user_id: UUID | None = None
    session_id: UUID | None = None
    reason: SecurityReason | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry of the log, with its id and time."""

    id: UUID
    at: datetime
    entry: SecurityEntry


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries to return. `before`: only those that come later in the list, by time and id; None: the first ones.

    `since`, `until`: from this time on, and before this one.
    """

    limit: int
    actions: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: tuple[datetime, UUID] | None = None


class SecurityLog(Protocol):
    """Keeps entries for 400 days, the client of each sealed under the data key of its user.

    What succeeds is recorded, what is refused is noted: attackers decide how much is refused.
    """

    async def record(self, entry: SecurityEntry) -> None:
        """Record an entry before the request is answered.

        Raises:
            Unavailable: the database does not answer; the entry is not kept.
        """

    def note(self, entry: SecurityEntry) -> None:
        """Record an entry soon, without a wait. Many alike become one with a `count`.

        If the database does not answer for long, entries are lost: they are counted, and their log lines stay.
        """

    async def entries(self, user_id: UUID, wanted: EntryFilter) -> list[LoggedEntry]:
        """Return entries about a user, the latest first; without clients once the user is erased.

        Raises:
            Unavailable: the database does not answer.
        """
