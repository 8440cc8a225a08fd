"""Lag of consumers behind the log, in positions and in seconds, and whether one is stuck."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

import structlog
from prometheus_client import Gauge

from application.ports import EventFeed
from infra.asyncio_compat import goes_on
from infra.postgres.projector_connection import Connection, ProjectorSession
from infra.projector.checkpoints import PROJECTIONS, TableNames

MEASURE_SECONDS = 5.0
STUCK_SECONDS = 30.0
FIND = "SELECT name, version, position, quarantined FROM {consumers} ORDER BY name"

log = structlog.get_logger(__name__)


class LagGauges:
    """The gauges of one kind of consumers, and the table with their checkpoints. Make one for each kind."""

    def __init__(self, names: TableNames) -> None:
        kind = names.kind
        self.find = names.fill(FIND)
        self.position = _gauge(kind, "position", f"Position a {kind} has reached")
        self.behind = _gauge(kind, "lag_positions", f"Positions a {kind} is behind")
        self.seconds = _gauge(kind, "lag_seconds", f"Age of the oldest event that a {kind} has not applied")
        self.quarantined = _gauge(kind, "quarantined", f"Streams in quarantine in a {kind}")
        self.stuck = _gauge(kind, "stuck", f"1: there is work, and a {kind} has not moved for 30 s")


def _gauge(kind: str, name: str, meaning: str) -> Gauge:
    return Gauge(f"palimpsest_{kind}_{name}", meaning, [kind])


PROJECTION_GAUGES = LagGauges(PROJECTIONS.names)


@dataclass(frozen=True, slots=True)
class Lag:
    """A consumer's checkpoint and lag. `seconds`: the age of the first event that it has not applied."""

    name: str
    version: int
    position: int
    behind: int
    seconds: float
    quarantined: int


async def lags(connection: Connection, feed: EventFeed, gauges: LagGauges = PROJECTION_GAUGES) -> list[Lag]:
    """The lag of every consumer of a kind, running rebuilds included.

    Raises:
        Unavailable: the log cannot be read.
        psycopg.Error: the database does not answer.
    """
    head = await feed.head()
    found = []
    for name, version, position, quarantined in await (await connection.execute(gauges.find)).fetchall():
        behind = max(0, head - position)
        found.append(Lag(name, version, position, behind, await _seconds(feed, position, behind), quarantined))
    return found


async def _seconds(feed: EventFeed, position: int, behind: int) -> float:
    if not behind:
        return 0.0
    events = await feed.read(position, 1)
    return max(0.0, (datetime.now(UTC) - events[0].recorded_at).total_seconds()) if events else 0.0


class LagMonitor:
    """Updates the lag gauges of the consumers with these names."""

    def __init__(self, names: Iterable[str], feed: EventFeed, url: str, gauges: LagGauges = PROJECTION_GAUGES) -> None:
        self._names = set(names)
        self._gauges = gauges
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
                    # Time passes without the database too: a consumer may become stuck.
                    self._update_stuck()
                    log.warning("lag not measured", error=type(error).__name__)
                await asyncio.sleep(MEASURE_SECONDS)
        finally:
            await self._session.close()

    async def measure(self) -> None:
        """Measure once and set the gauges."""
        for lag in await lags(await self._session.get(), self._feed, self._gauges):
            if lag.name not in self._names:
                continue
            self._gauges.position.labels(lag.name).set(lag.position)
            self._gauges.behind.labels(lag.name).set(lag.behind)
            self._gauges.seconds.labels(lag.name).set(lag.seconds)
            self._gauges.quarantined.labels(lag.name).set(lag.quarantined)
            if not lag.behind or self._since.get(lag.name, (-1, 0.0))[0] != lag.position:
                self._since[lag.name] = (lag.position, monotonic())
        self._update_stuck()

    def _update_stuck(self) -> None:
        for name, (_, since) in self._since.items():
            self._gauges.stuck.labels(name).set(monotonic() - since > STUCK_SECONDS)
