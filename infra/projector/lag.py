"""Lag of the projections behind the log, in positions and in seconds, and whether one is stuck."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

import structlog
from prometheus_client import Gauge

from application.ports import EventFeed
from infra.asyncio_compat import goes_on
from infra.postgres.projector_connection import Connection, ProjectorSession
from projections.kernel import ReadModel

MEASURE_SECONDS = 5.0
STUCK_SECONDS = 30.0
FIND = "SELECT name, version, position, quarantined FROM projections ORDER BY name"

log = structlog.get_logger(__name__)

position_gauge = Gauge("palimpsest_projection_position", "Position a projection has reached", ["projection"])
behind_gauge = Gauge("palimpsest_projection_lag_positions", "Positions a projection is behind", ["projection"])
seconds_gauge = Gauge(
    "palimpsest_projection_lag_seconds", "Age of the oldest event that a projection has not applied", ["projection"]
)
quarantined_gauge = Gauge("palimpsest_projection_quarantined", "Streams in quarantine in a projection", ["projection"])
stuck_gauge = Gauge(
    "palimpsest_projection_stuck", "1: there is work, and a projection has not moved for 30 s", ["projection"]
)


@dataclass(frozen=True, slots=True)
class Lag:
    """A projection's checkpoint and lag. `seconds`: the age of the first event that it has not applied."""

    name: str
    version: int
    position: int
    behind: int
    seconds: float
    quarantined: int


async def lags(connection: Connection, feed: EventFeed) -> list[Lag]:
    """The lag of every projection, running rebuilds included.

    Raises:
        Unavailable: the log cannot be read.
        psycopg.Error: the database does not answer.
    """
    head = await feed.head()
    found = []
    for name, version, position, quarantined in await (await connection.execute(FIND)).fetchall():
        behind = max(0, head - position)
        found.append(Lag(name, version, position, behind, await _seconds(feed, position, behind), quarantined))
    return found


async def _seconds(feed: EventFeed, position: int, behind: int) -> float:
    if not behind:
        return 0.0
    events = await feed.read(position, 1)
    return max(0.0, (datetime.now(UTC) - events[0].recorded_at).total_seconds()) if events else 0.0


class LagMonitor:
    """Updates the lag gauges."""

    def __init__(self, models: Sequence[ReadModel], feed: EventFeed, url: str) -> None:
        self._names = {model.name for model in models}
        self._feed = feed
        self._session = ProjectorSession(url)
        self._since: dict[str, tuple[int, float]] = {}

    async def run(self) -> None:
        """Measure every `MEASURE_SECONDS`, until cancelled."""
        try:
            while goes_on():
                try:
                    await self.measure()
                except Exception as error:
                    # Time passes without the database too: a projection may become stuck.
                    self._update_stuck()
                    log.warning("lag not measured", error=type(error).__name__)
                await asyncio.sleep(MEASURE_SECONDS)
        finally:
            await self._session.close()

    async def measure(self) -> None:
        """Measure once and set the gauges."""
        for lag in await lags(await self._session.get(), self._feed):
            if lag.name not in self._names:
                continue
            position_gauge.labels(lag.name).set(lag.position)
            behind_gauge.labels(lag.name).set(lag.behind)
            seconds_gauge.labels(lag.name).set(lag.seconds)
            quarantined_gauge.labels(lag.name).set(lag.quarantined)
            if not lag.behind or self._since.get(lag.name, (-1, 0.0))[0] != lag.position:
                self._since[lag.name] = (lag.position, monotonic())
        self._update_stuck()

    def _update_stuck(self) -> None:
        for name, (_, since) in self._since.items():
            stuck_gauge.labels(name).set(monotonic() - since > STUCK_SECONDS)
