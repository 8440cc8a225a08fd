"""Circumstances of the events of a stream, the latest first. What events say stays sealed."""

from collections.abc import Sequence
from uuid import UUID

from application.ports import EventTrace, HistoryFilter, TraceSlice
from infra.postgres.database import Database
from infra.sealing.store_keys import StoreKeys
from infra.store.codec import decode_clear
from infra.store.event_bytes import metadata_of
from infra.store.log_rows import EVENT_COLUMNS, LogRow, undecodable

MAX_EVENTS = 500
"""Events that one search reads at most; it goes on from where it has ended."""
MAX_BYTES = 4 * 1024 * 1024
"""Bytes of stored events after which a search ends."""

LATEST = f"""
SELECT {EVENT_COLUMNS} FROM (
    SELECT *, sum(octet_length(state)) OVER (ORDER BY originator_version DESC ROWS UNBOUNDED PRECEDING)
        - octet_length(state) AS bytes_before
    FROM (
        SELECT * FROM stored_events
        WHERE originator_id = %(id)s AND notification_id < %(before)s
            AND (%(type)s::text IS NULL OR topic = %(type)s)
            AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
            AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s)
        ORDER BY originator_version DESC LIMIT %(limit)s
    ) AS latest
) AS measured
WHERE bytes_before < {MAX_BYTES} ORDER BY originator_version DESC
"""  # noqa: S608 - our own words only


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
    }
    rows: Sequence[LogRow] = await database.rows(LATEST, params)
    traces = [_trace(row, stamps) for row in rows]
    return TraceSlice(
        [trace for trace in traces if wanted.fits(trace.actor_id, trace.request_id)], rows[-1][0] if rows else 0
    )


def _trace(row: LogRow, stamps: StoreKeys) -> EventTrace:
    """Return the circumstances of an event; of a damaged one those that are not known are missing."""
    position, stream_id, version, topic, stored, at = row
    try:
        decode_clear(topic, stored, stream_id, version, stamps, position)
        found = metadata_of(stored)
    except Exception as error:
        undecodable(error, position)
        return EventTrace(position, version, topic, at, None, None, None)
    return EventTrace(position, version, topic, at, found.actor_id, found.on_behalf_of, found.correlation_id)
