"""Measures how far the tree is behind the log, in events and in seconds. Works in any sealer, and while none leads."""

import asyncio

import structlog
from prometheus_client import Gauge

from infra.asyncio_compat import goes_on
from infra.postgres.database import Database

MEASURE_SECONDS = 2.0

BACKLOG = """
SELECT size, coalesce((SELECT max(notification_id) FROM stored_events), 0),
       coalesce((SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8
                 FROM stored_events WHERE notification_id > size ORDER BY notification_id LIMIT 1), 0)
FROM (SELECT coalesce((SELECT max(size) FROM log_checkpoints), 0) AS size) AS sealed
"""

log = structlog.get_logger(__name__)

events_gauge = Gauge("palimpsest_sealer_lag_events", "Events that no checkpoint covers yet")
seconds_gauge = Gauge("palimpsest_sealer_lag_seconds", "Age of the oldest event that no checkpoint covers yet")
position_gauge = Gauge("palimpsest_sealer_position", "Position up to which a checkpoint covers every event")


async def watch(database: Database) -> None:
    """Keep the gauges up to date until cancelled."""
    while goes_on():
        try:
            await measure(database)
        except Exception as error:
            log.warning("lag not measured", error=type(error).__name__)
        await asyncio.sleep(MEASURE_SECONDS)


async def measure(database: Database) -> None:
    """Set the gauges.

    Raises:
        Unavailable: the database does not answer.
    """
    ((size, head, seconds),) = await database.rows(BACKLOG, [])
    position_gauge.set(size)
    events_gauge.set(max(0, head - size))
    seconds_gauge.set(max(0.0, seconds))
