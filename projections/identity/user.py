"""Accounts of users. Only this file writes and reads the table.

Names and addresses are in no row: a row has the version of the event that has them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from application.identity.user import UserView
from application.ports import ReadStore, RecordedEvent, StoredEvents
from domain.identity.user import User
from domain.kernel import Root
from projections.columns import new_row, select_by_id
from projections.kernel import CacheSpec, Change, PersonalData, ReadModel, Table, moment_of, reads


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """A row. `profile_version`: the version of the event with the current name and picture."""

    id: UUID
    profile_version: int
    email_verified: bool
    version: int
    created_at: datetime
    updated_at: datetime


BY_ID = select_by_id(StoredProfile, "user_profile")


class UserProfile(ReadModel):
    """All open accounts; a closed one has no row."""

    version = 1
    roots = (User,)
    personal = PersonalData("that an account exists", "the event user.erased drops the row")
    table = Table(
        "user_profile",
        key={"id": "uuid"},
        columns={
            "profile_version": "bigint NOT NULL",
            "email_verified": "boolean NOT NULL",
            "version": "bigint NOT NULL",
            "created_at": "timestamptz NOT NULL",
            "updated_at": "timestamptz NOT NULL",
        },
    )
    cached = CacheSpec("user", StoredProfile, BY_ID, ttl=timedelta(hours=1))

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        values: dict[str, Any] = {}
        match event.data:
            case User.Registered():
                yield new_row(self.table, event, profile_version=event.version, email_verified=False)
                return
            case User.Deactivated() | User.Erased():
                yield self.table.drop(event.stream_id)
                return
            case User.EmailVerified():
                values = {"email_verified": True}
            case User.ProfileChanged():
                values = {"profile_version": event.version}
        yield self.table.set(event.stream_id, version=event.version, updated_at=moment_of(event), **values)


@reads(UserProfile)
async def user(rows: ReadStore, stored: StoredEvents, id: UUID) -> UserView | None:
    """Return the user; None: there is no such account, or it was closed."""
    row = await rows.by_key(StoredProfile, BY_ID, id)
    if row is None:
        return None
    registered, profile = await stored.events([(id, Root.INITIAL_VERSION), (id, row.profile_version)])
    assert isinstance(registered, User.Registered)
    assert isinstance(profile, User.Registered | User.ProfileChanged)
    return UserView(
        id=id,
        email=registered.email,
        name=profile.name,
        avatar_url=None if isinstance(profile, User.Registered) else profile.avatar_url,
        email_verified=row.email_verified,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
