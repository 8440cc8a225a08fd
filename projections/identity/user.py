"""Users as they see themselves. This file owns the table: it alone writes it and reads it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from application.identity.user import UserView
from application.ports import ReadStore, RecordedEvent
from domain.identity.user import User
from projections.kernel import CacheSpec, Change, ReadModel, Table, moment_of, reads

BY_ID = """
SELECT id, email, name, avatar_url, email_verified, version, created_at, updated_at
FROM read.user_profile WHERE id = ANY(%s)
"""


class UserProfile(ReadModel):
    """Every user with an account; who closed it has no row."""

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
        news: dict[str, Any] = {}
        match event.data:
            case User.Registered(email=email, name=name, timestamp=moment):
                yield self.table.put(
                    event.stream_id,
                    email=email,
                    name=name,
                    avatar_url=None,
                    email_verified=False,
                    version=event.version,
                    created_at=moment,
                    updated_at=moment,
                )
                return
            case User.Deactivated():
                yield self.table.drop(event.stream_id)
                return
            case User.EmailVerified():
                news = {"email_verified": True}
            case User.ProfileChanged(name=name, avatar_url=avatar_url):
                news = {"name": name, "avatar_url": avatar_url}
        yield self.table.set(event.stream_id, version=event.version, updated_at=moment_of(event), **news)


@reads(UserProfile)
async def user(rows: ReadStore, id: UUID) -> UserView | None:
    """The user; None: there is none, or not any more."""
    return await rows.by_key(UserView, BY_ID, id)
