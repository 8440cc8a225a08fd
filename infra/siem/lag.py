"""Measures how far the delivery to a SIEM is behind the log. Works in any worker, also while none leads."""

import asyncio

import structlog
from prometheus_client import Gauge

from infra.asyncio_compat import goes_on
from infra.postgres.database import Database

MEASURE_SECONDS = 5.0

BACKLOG = """
SELECT position, coalesce((SELECT max(notification_id) FROM stored_events), 0),
       coalesce((SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8
                 FROM stored_events WHERE notification_id > position ORDER BY notification_id LIMIT 1), 0),
       coalesce((SELECT extract(epoch FROM clock_timestamp() - at)::float8
                 FROM security_log WHERE number > security_number ORDER BY number LIMIT 1), 0)
FROM siem_checkpoint
"""

log = structlog.get_logger(__name__)

position_gauge = Gauge("palimpsest_siem_position", "Position up to which the SIEM has confirmed every event")
events_gauge = Gauge("palimpsest_siem_lag_events", "Events that the SIEM has not confirmed yet")
seconds_gauge = Gauge("palimpsest_siem_lag_seconds", "Age of the oldest event that the SIEM has not confirmed yet")
security_seconds_gauge = Gauge(
    "palimpsest_siem_security_lag_seconds",
    "Age of the oldest entry of the security log that the SIEM has not confirmed",
)


async def watch(database: Database) -> None:
    """Keep the gauges up to date until cancelled."""
    while goes_on():
        try:
            await measure(database)
        except Exception as error:
            log.warning("lag of the SIEM not measured", error=type(error).__name__)
        await asyncio.sleep(MEASURE_SECONDS)


async def measure(database: Database) -> None:
    """Set the gauges.

    Raises:
        Unavailable: the database does not answer.
    """
    ((position, head, seconds, security_seconds),) = await database.rows(BACKLOG, [])
    position_gauge.set(position)
    events_gauge.set(max(0, head - position))
    seconds_gauge.set(max(0.0, seconds))
    security_seconds_gauge.set(max(0.0, security_seconds))
