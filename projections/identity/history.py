"""What happened to a user's own account: read from the events of its stream, so there is no table."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from eventsourcing.utils import get_topic

from application.ports import EventStore
from domain.identity.user import User
from projections.page import Page, bounded, page_of, read_cursor


@dataclass(frozen=True, slots=True)
class AccountAction:
    """Something that happened to an account. `action`: the name of the event, such as `password_changed`."""

    version: int
    action: str
    at: datetime


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    before: int


async def account_history(
    events: EventStore, user_id: UUID, *, cursor: str | None = None, limit: int | None = None
) -> Page[AccountAction] | None:
    """Return what happened to the account, the latest first; None: there is no such account, or it is not open.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    user = await events.load(User, user_id)
    if user is None or not user.active or user.deletion_due is not None:
        return None
    return await _actions(events, user, cursor, limit)


async def audited_history(
    events: EventStore, user_id: UUID, *, cursor: str | None = None, limit: int | None = None
) -> Page[AccountAction] | None:
    """Return what happened to an account, also a closed or erased one, for auditors; None: there is no such account.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    user = await events.shell(User, user_id)
    return None if user is None else await _actions(events, user, cursor, limit)


async def _actions(events: EventStore, user: User, cursor: str | None, limit: int | None) -> Page[AccountAction]:
    size = bounded(limit)
    end = user.version + 1 if cursor is None else min(read_cursor(cursor, _Cursor).before, user.version + 1)
    versions = range(end - 1, max(0, end - 2 - size), -1)
    found = await events.events([(user.id, version) for version in versions])
    actions = [
        AccountAction(event.originator_version, get_topic(type(event)).partition(".")[2], event.timestamp)
        for event in found
    ]
    return page_of(actions, size, lambda last: _Cursor(last.version))
