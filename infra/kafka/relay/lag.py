"""Measures how far Kafka is behind the log, in events and in seconds. Works in any relay, and while none leads."""

import asyncio

import structlog
from prometheus_client import Gauge

from infra.asyncio_compat import goes_on
from infra.kafka.client.topics import Topics
from infra.kafka.relay.relay import Relay
from infra.postgres.database import Database

MEASURE_SECONDS = 2.0

SAVED_POSITION = "SELECT min(position) FROM relays WHERE topic = ANY(%s)"
BACKLOG = """
SELECT coalesce((SELECT max(notification_id) FROM stored_events), 0),
       coalesce((SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8
                 FROM stored_events WHERE notification_id > %s ORDER BY notification_id LIMIT 1), 0)
"""

log = structlog.get_logger(__name__)

events_gauge = Gauge("palimpsest_relay_lag_events", "Events that Kafka does not have yet")
seconds_gauge = Gauge("palimpsest_relay_lag_seconds", "Age of the oldest event that Kafka does not have yet")
position_gauge = Gauge("palimpsest_relay_position", "Position up to which Kafka has every event")


async def watch(database: Database, names: Topics, relay: Relay) -> None:
    """Keep the gauges up to date until cancelled."""
    while goes_on():
        try:
            await measure(database, names, relay)
        except Exception as error:
            log.warning("lag not measured", error=type(error).__name__)
        await asyncio.sleep(MEASURE_SECONDS)


async def measure(database: Database, names: Topics, relay: Relay) -> None:
    """Set the gauges: from this relay's own position if it leads, otherwise from the saved checkpoints.

    Raises:
        Unavailable: the database does not answer.
    """
    position = relay.position
    if position is None:
        position = (await database.rows(SAVED_POSITION, [names.events()]))[0][0] or 0
    ((head, seconds),) = await database.rows(BACKLOG, [position])
    position_gauge.set(position)
    events_gauge.set(max(0, head - position))
    seconds_gauge.set(max(0.0, seconds) if head > position else 0.0)
