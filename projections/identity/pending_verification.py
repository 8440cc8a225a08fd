"""Users who have not verified their address. Only this file writes and reads the table."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from application.ports import ReadStore, RecordedEvent, UnverifiedUser
from domain.identity.links import verifiable_until
from domain.identity.user import User
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads

BATCH = 200

DUE = """
    SELECT id, due_at FROM read.pending_verification
    WHERE due_at < %s AND (due_at, id) > (%s, %s) ORDER BY due_at, id LIMIT %s
"""
FIRST = UUID(int=0)


class PendingVerifications(ReadModel):
    """Accounts that have not verified their address. Without a link to do so, none is due until it is closed."""

    version = 3
    roots = (User,)
    personal = PersonalData("that an account is not verified", "the event user.erased drops the row")
    table = Table(
        "pending_verification",
        key={"id": "uuid"},
        columns={"registered_at": "timestamptz NOT NULL", "due_at": "timestamptz"},
        indexes=["(due_at, id)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case User.Registered():
                yield self.table.put(event.stream_id, registered_at=moment_of(event), due_at=None)
            case User.VerificationRequested() | User.PasswordResetRequested():
                moment = moment_of(event)
                yield self.table.set(event.stream_id, due_at=lambda row: verifiable_until(row["registered_at"], moment))
            case User.Deactivated():
                yield self.table.set(event.stream_id, due_at=moment_of(event))
            case User.EmailVerified() | User.Erased():
                yield self.table.drop(event.stream_id)


@reads(PendingVerifications)
async def due(rows: ReadStore, now: datetime, after: UnverifiedUser | None) -> list[UnverifiedUser]:
    """Return the next users whose time was over before `now`; see `UnverifiedUsers`."""
    start: list[Any] = [datetime.min.replace(tzinfo=now.tzinfo), FIRST]
    if after is not None:
        start = [after.due_at, after.id]
    return await rows.all(UnverifiedUser, DUE, [now, *start, BATCH])


class ReadUnverifiedUsers:
    """Implements `application.ports.UnverifiedUsers`."""

    def __init__(self, rows: ReadStore) -> None:
        self._rows = rows

    async def due(self, now: datetime, *, after: UnverifiedUser | None) -> list[UnverifiedUser]:
        """See `UnverifiedUsers`."""
        return await due(self._rows, now, after)
