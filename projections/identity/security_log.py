"""A user's security log: entries of the log, and changes of the account, in one list."""

from dataclasses import dataclass
from datetime import datetime
from typing import get_args
from uuid import UUID

import msgspec

from application.ports import EntryFilter, LoggedEntry, ReadStore, SecurityLog
from application.security_actions import SecurityAction, SecurityOutcome
from projections.identity.account_change import CHANGES, AccountChange, AccountChanges, changes
from projections.kernel import reads
from projections.page import Page, bounded, page_of, read_cursor, read_moment

ACTIONS = (*get_args(SecurityAction), *sorted(CHANGES.values()))
"""The actions of entries, then those of changes."""


@dataclass(frozen=True, slots=True)
class SecurityLogEntry:
    """What was done with an account, or was refused.

    `reason`: why it was refused. `count`: so many alike within a minute. `request_id`: as in `X-Request-Id`; changes
    have none, and no address: the entry of the same time has them. `ip_address` and `user_agent`: as the client sent
    them.
    """

    id: UUID
    at: datetime
    action: str
    outcome: SecurityOutcome
    reason: str | None
    count: int
    request_id: UUID | None
    session_id: UUID | None
    ip_address: str | None
    user_agent: str | None


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    at: str
    id: UUID


@reads(AccountChanges)
async def security_log(
    rows: ReadStore,
    log: SecurityLog,
    user_id: UUID,
    *,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[SecurityLogEntry]:
    """Return a user's own log, the latest first. `since`, `until`: from this time on, and before this one.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    size = bounded(limit)
    after = None if cursor is None else read_cursor(cursor, _Cursor)
    before = None if after is None else (read_moment(after.at), after.id)
    wanted = EntryFilter(size + 1, None if action is None else frozenset({action}), since, until, before)
    found = [
        *[_of_entry(logged) for logged in await log.entries(user_id, wanted)],
        *[_of_change(change) for change in await changes(rows, user_id, wanted)],
    ]
    found.sort(key=lambda entry: (entry.at, entry.id), reverse=True)
    return page_of(found[: size + 1], size, lambda last: _Cursor(str(last.at), last.id))


def _of_entry(logged: LoggedEntry) -> SecurityLogEntry:
    entry, client = logged.entry, logged.entry.client
    return SecurityLogEntry(
        id=logged.id,
        at=logged.at,
        action=entry.action,
        outcome=entry.outcome,
        reason=entry.reason,
        count=entry.count,
        request_id=entry.request_id,
        session_id=entry.session_id,
        ip_address=None if client is None else client.address,
        user_agent=None if client is None else client.user_agent,
    )


def _of_change(change: AccountChange) -> SecurityLogEntry:
    return SecurityLogEntry(
        id=change.id,
        at=change.at,
        action=change.name,
        outcome="done",
        reason=None,
        count=1,
        request_id=None,
        session_id=None,
        ip_address=None,
        user_agent=None,
    )
