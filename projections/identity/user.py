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
from projections.columns import new_row, select_by_id
from projections.kernel import CacheSpec, Change, PersonalData, ReadModel, Table, moment_of, reads


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """A row. `email_version`, `profile_version`: those of the events with the present address, name and picture.

    `hidden`: the account waits for its deletion. Its user does not see it, and others see no document of theirs. That
    stays so when it is `closed`: an erasure closes it first, and erases the documents in steps.
    """

    id: UUID
    email_version: int
    profile_version: int
    email_verified: bool
    terms_version: str | None
    hidden: bool
    closed: bool
    version: int
    created_at: datetime
    updated_at: datetime


BY_ID = select_by_id(StoredProfile, "user_profile")


class UserProfile(ReadModel):
    """All accounts; an erased one has no row."""

    version = 3
    roots = (User,)
    personal = PersonalData("that an account exists", "the event user.erased drops the row")
    table = Table(
        "user_profile",
        key={"id": "uuid"},
        columns={
            "email_version": "bigint NOT NULL",
            "profile_version": "bigint NOT NULL",
            "email_verified": "boolean NOT NULL",
            "terms_version": "text",
            "hidden": "boolean NOT NULL",
            "closed": "boolean NOT NULL",
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
                places = {"email_version": event.version, "profile_version": event.version}
                marks = {"email_verified": False, "hidden": False, "closed": False}
                yield new_row(self.table, event, **places, **marks, terms_version=None)
                return
            case User.Erased():
                yield self.table.drop(event.stream_id)
                return
            case User.Deactivated():
                values = {"closed": True}
            case User.EmailVerified():
                values = {"email_verified": True}
            case User.ProfileChanged():
                values = {"profile_version": event.version}
            case User.EmailChanged() | User.EmailChangeUndone():
                values = {"email_version": event.version}
            case User.RegistrationRepeated(drops_terms=True):
                values = {"terms_version": None}
            case User.TermsAccepted(terms_version=terms_version):
                values = {"terms_version": terms_version}
            case User.DeletionRequested() | User.DeletionWithdrawn():
                values = {"hidden": isinstance(event.data, User.DeletionRequested)}
        yield self.table.set(event.stream_id, version=event.version, updated_at=moment_of(event), **values)


@reads(UserProfile)
async def user(rows: ReadStore, stored: StoredEvents, id: UUID) -> UserView | None:
    """Return the user; None: there is no such account, it was closed, or it waits for its deletion."""
    row = await rows.by_key(StoredProfile, BY_ID, id)
    if row is None or row.hidden or row.closed:
        return None
    addressed, profile = await stored.events([(id, row.email_version), (id, row.profile_version)])
    assert isinstance(addressed, User.Registered | User.EmailChanged | User.EmailChangeUndone)
    assert isinstance(profile, User.Registered | User.ProfileChanged)
    return UserView(
        id=id,
        email=addressed.email,
        name=profile.name,
        avatar_url=None if isinstance(profile, User.Registered) else profile.avatar_url,
        email_verified=row.email_verified,
        terms_version=row.terms_version,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
