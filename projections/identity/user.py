"""Accounts of users. Only this file writes and reads the table."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from application.identity.user import UserView
from application.ports import ReadStore, RecordedEvent
from domain.identity.user import User
from projections.columns import new_row, select_by_id
from projections.kernel import CacheSpec, Change, ReadModel, Table, moment_of, reads

BY_ID = select_by_id(UserView, "user_profile")


class UserProfile(ReadModel):
    """All open accounts; a closed one has no row."""

    version = 1
    roots = (User,)
    table = Table(
        "user_profile",
        key={"id": "uuid"},
        columns={
            "email": "text NOT NULL",
            "name": "text NOT NULL",
            "avatar_url": "text",
            "email_verified": "boolean NOT NULL",
            "version": "bigint NOT NULL",
            "created_at": "timestamptz NOT NULL",
            "updated_at": "timestamptz NOT NULL",
        },
    )
    cached = CacheSpec("user", UserView, BY_ID, ttl=timedelta(hours=1))

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        values: dict[str, Any] = {}
        match event.data:
            case User.Registered():
                yield new_row(self.table, event, avatar_url=None, email_verified=False)
                return
            case User.Deactivated() | User.Erased():
                yield self.table.drop(event.stream_id)
                return
            case User.EmailVerified():
                values = {"email_verified": True}
            case User.ProfileChanged(name=name, avatar_url=avatar_url):
                values = {"name": name, "avatar_url": avatar_url}
        yield self.table.set(event.stream_id, version=event.version, updated_at=moment_of(event), **values)


@reads(UserProfile)
async def user(rows: ReadStore, id: UUID) -> UserView | None:
    """Return the user; None: there is no such account, or it was closed."""
    return await rows.by_key(UserView, BY_ID, id)
