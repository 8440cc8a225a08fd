"""What is to be done about accounts at a certain time. Only this file writes and reads the table."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from application.ports import AccountDeadline, ReadStore, RecordedEvent
from domain.identity.events import REMINDER_BEFORE
from domain.identity.user import User
from projections.columns import columns_of
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads

BATCH = 200

DUE = f"""
    SELECT {columns_of(AccountDeadline)} FROM read.account_deadline
    WHERE due_at < %s AND (due_at, user_id, kind) > (%s, %s, %s) ORDER BY due_at, user_id, kind LIMIT %s
"""  # noqa: S608 - columns of our own view


class Deadlines(ReadModel):
    """Former addresses that become free, and accounts that are to be erased, with the reminder before that."""

    version = 2
    roots = (User,)
    personal = PersonalData("that an account is to be deleted", "the event user.erased drops the rows")
    table = Table(
        "account_deadline",
        key={"user_id": "uuid", "kind": "text"},
        columns={"due_at": "timestamptz NOT NULL"},
        indexes=["(due_at, user_id, kind)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        id = event.stream_id
        match event.data:
            case User.EmailChanged(expires_at=expires_at):
                yield self.table.put(id, "former_email", due_at=expires_at)
            case User.EmailChangeUndone() | User.FormerEmailReleased():
                yield self.table.drop(id, "former_email")
            case User.DeletionRequested(due=due):
                yield self.table.put(id, "deletion_soon", due_at=due - REMINDER_BEFORE)
                yield self.table.put(id, "deletion", due_at=due)
            case User.DeletionReminded():
                yield self.table.drop(id, "deletion_soon")
                yield self.table.set(id, "deletion", due_at=moment_of(event) + REMINDER_BEFORE)
            case User.DeletionWithdrawn():
                yield self.table.drop(id, "deletion_soon")
                yield self.table.drop(id, "deletion")
            case User.Erased():
                for kind in ("former_email", "deletion_soon", "deletion"):
                    yield self.table.drop(id, kind)


@reads(Deadlines)
async def due(rows: ReadStore, now: datetime, after: AccountDeadline | None) -> list[AccountDeadline]:
    """Return the next deadlines before a time; see `AccountDeadlines`."""
    start: list[Any] = [datetime.min.replace(tzinfo=now.tzinfo), UUID(int=0), ""]
    if after is not None:
        start = [after.due_at, after.user_id, after.kind]
    return await rows.all(AccountDeadline, DUE, [now, *start, BATCH])


class ReadAccountDeadlines:
    """Implements `application.ports.AccountDeadlines`."""

    def __init__(self, rows: ReadStore) -> None:
        self._rows = rows

    async def due(self, now: datetime, *, after: AccountDeadline | None) -> list[AccountDeadline]:
        """See `AccountDeadlines`."""
        return await due(self._rows, now, after)
