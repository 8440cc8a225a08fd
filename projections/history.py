"""Histories: what happened to a user, a document or a team, by whom, and which auditor has looked at it.

Events come from the log, reads of auditors from their read model; both have positions, which order them. Neither shows
what an event says: texts and names stay where they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from application.ports import EventStore, EventTrace, HistoryFilter, ReadStore
from projections.audit.audit_read import HISTORY_READ, AuditReads, ReadByAuditor, reads_of
from projections.kernel import reads
from projections.page import Page, bounded, read_cursor, write_cursor

MAX_SEARCHES = 4
"""How often the log is searched for one page. A page with few items may not be the last one."""
UNTOLD = frozenset({"legal_hold", "erasure_record"})
"""Kinds of aggregates of which the people concerned learn nothing, so nor that an auditor has read them."""
END = 2**62
"""A position above all others."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """Something that happened. `position`: of the event in the log, by which `palimpsest audit prove` proves it.

    `type`: of the event; `action`: its last part. `actor_id`: the user who caused it; None: no known user.
    `request_id`: the `X-Request-Id` of the request that caused it. A read by an auditor has the type
    `audit.history_read`, the `operation` that was used, and in `read_topic` and `read_id` what was asked for.
    `session_id`, `user_agent`: of the request, in one's own history, where the security log has them.
    """

    position: int
    type: str
    action: str
    version: int | None
    at: datetime
    actor_id: UUID | None
    on_behalf_of: UUID | None = None
    request_id: UUID | None = None
    operation: str | None = None
    read_topic: str | None = None
    read_id: UUID | None = None
    session_id: UUID | None = None
    user_agent: str | None = None


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    before: int


@reads(AuditReads)
async def history_of(
    rows: ReadStore, events: EventStore, id: UUID, wanted: HistoryFilter, cursor: str | None, limit: int | None
) -> Page[HistoryEntry]:
    """Return what happened to the stream `id`, and who audited it, the latest first. Who may ask is decided before.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    size = bounded(limit)
    before = END if cursor is None else read_cursor(cursor, _Cursor).before
    found, reached = await _traces(events, id, wanted, before, size + 1)
    audited = await reads_of(rows, id, wanted, before, reached, size + 1)
    entries = [*map(_of_event, found), *map(_of_read, audited)]
    entries.sort(key=lambda entry: entry.position, reverse=True)
    shown = entries[:size]
    if len(entries) > size:
        return Page(shown, write_cursor(_Cursor(shown[-1].position)))
    return Page(shown, write_cursor(_Cursor(reached)) if reached else None)


async def _traces(
    events: EventStore, id: UUID, wanted: HistoryFilter, before: int, count: int
) -> tuple[Sequence[EventTrace], int]:
    """Return at least `count` events of a stream if it has so many, and the position down to which all are known."""
    found: list[EventTrace] = []
    if wanted.type == HISTORY_READ:
        return found, 0
    for _ in range(MAX_SEARCHES):
        part = await events.history(id, wanted, before, count - len(found))
        found += part.traces
        before = part.reached
        if len(found) >= count or not before:
            break
    return found, before


def _of_event(trace: EventTrace) -> HistoryEntry:
    action = trace.type.partition(".")[2]
    return HistoryEntry(
        trace.position,
        trace.type,
        action,
        trace.version,
        trace.at,
        trace.actor_id,
        trace.on_behalf_of,
        trace.request_id,
    )


def _of_read(read: ReadByAuditor) -> HistoryEntry:
    return HistoryEntry(
        read.position,
        HISTORY_READ,
        HISTORY_READ.partition(".")[2],
        None,
        read.at,
        read.auditor_id,
        operation=read.operation,
        read_topic=None if read.topic in UNTOLD else read.topic,
        read_id=None if read.topic in UNTOLD else read.aggregate_id,
    )
