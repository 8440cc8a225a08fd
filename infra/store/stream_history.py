"""Circumstances of the events of a stream, the latest first. What events say stays sealed."""

from collections.abc import Sequence
from uuid import UUID

from application.ports import EventTrace, HistoryFilter, TraceSlice, Undecodable
from infra.postgres.database import Database
from infra.sealing.store_keys import StoreKeys
from infra.store.log_rows import PAGE_BYTES, LogRow, page_of, read_in_clear

MAX_EVENTS = 500
"""Events that one search reads at most; it goes on from where it has ended."""

LATEST = page_of(
    """
    SELECT * FROM stored_events
    WHERE originator_id = %(id)s AND notification_id < %(before)s
        AND (%(type)s::text IS NULL OR topic = %(type)s)
        AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s)
    ORDER BY originator_version DESC LIMIT %(limit)s
    """,
    order="originator_version DESC",
    most="%(bytes)s",
)


async def stream_history(
    database: Database, stamps: StoreKeys, stream_id: UUID, wanted: HistoryFilter, before: int, count: int
) -> TraceSlice:
    """Return the circumstances of events before a position. See `application.ports.EventStore.history`."""
    in_columns = wanted.actor_id is None and wanted.request_id is None
    params = {
        "id": stream_id,
        "before": before,
        "type": wanted.type,
        "since": wanted.since,
        "until": wanted.until,
        "limit": min(count, MAX_EVENTS) if in_columns else MAX_EVENTS,
        "bytes": PAGE_BYTES,
    }
    rows: Sequence[LogRow] = await database.rows(LATEST, params)
    traces = [_trace(row, stamps) for row in rows]
    return TraceSlice(
        [trace for trace in traces if wanted.fits(trace.actor_id, trace.request_id)], rows[-1][0] if rows else 0
    )


def _trace(row: LogRow, stamps: StoreKeys) -> EventTrace:
    """Return the circumstances of an event; of a damaged one those that are not known are missing."""
    position, _, version, topic, _, at = row
    found = read_in_clear(row, stamps, lambda _, metadata: metadata)
    if isinstance(found, Undecodable):
        return EventTrace(position, version, topic, at, None, None, None)
    return EventTrace(position, version, topic, at, found.actor_id, found.on_behalf_of, found.correlation_id)
