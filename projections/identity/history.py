"""The history of an account: events of its stream, and reads of auditors. For its user also from which session."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from application.ports import EntryFilter, EventStore, HistoryFilter, LoggedEntry, ReadStore, SecurityLog
from domain.identity.user import User
from projections.audit.audit_read import AuditReads
from projections.history import HistoryEntry, history_of
from projections.kernel import reads
from projections.page import Page

ENTRIES = 200
"""Entries of the security log that are looked through for the sessions of a page."""
AROUND = timedelta(minutes=1)
"""How far the time of an event and that of the request's entry in the security log are apart at most."""


@reads(AuditReads)
async def account_history(
    rows: ReadStore,
    events: EventStore,
    log: SecurityLog,
    user_id: UUID,
    *,
    wanted: HistoryFilter,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[HistoryEntry] | None:
    """Return what happened to the account, for its user; None: there is no such account, or it is not open.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    user = await events.load(User, user_id)
    if user is None or not user.active or user.deletion_due is not None:
        return None
    page = await history_of(rows, events, user_id, wanted, cursor, limit)
    return Page(await _with_sessions(page.items, log, user_id), page.next)


@reads(AuditReads)
async def audited_history(
    rows: ReadStore,
    events: EventStore,
    user_id: UUID,
    *,
    wanted: HistoryFilter,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[HistoryEntry] | None:
    """Return what happened to an account, also a closed or erased one, for auditors; None: there is no such account.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    user = await events.shell(User, user_id)
    return None if user is None else await history_of(rows, events, user_id, wanted, cursor, limit)


async def _with_sessions(entries: list[HistoryEntry], log: SecurityLog, user_id: UUID) -> list[HistoryEntry]:
    """Return the entries with the session and the program of their requests, where the security log has them."""
    if not any(entry.request_id for entry in entries):
        return entries
    since, until = min(entry.at for entry in entries) - AROUND, max(entry.at for entry in entries) + AROUND
    logged = await log.entries(user_id, EntryFilter(ENTRIES, since=since, until=until))
    by_request = {each.entry.request_id: each for each in reversed(logged)}
    return [_with_session(entry, by_request) for entry in entries]


def _with_session(entry: HistoryEntry, by_request: Mapping[UUID, LoggedEntry]) -> HistoryEntry:
    logged = None if entry.request_id is None else by_request.get(entry.request_id)
    if logged is None:
        return entry
    client = logged.entry.client
    return replace(entry, session_id=logged.entry.session_id, user_agent=None if client is None else client.user_agent)
