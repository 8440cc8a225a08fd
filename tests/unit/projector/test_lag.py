"""Lag of projections: how far behind they are, and which of them are stuck."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from msgspec.structs import replace

from application.ports import Unavailable
from infra.projector import lag
from infra.projector.lag import STUCK_SECONDS, LagMonitor, lags
from tests.support.metrics import sample
from tests.support.notes import note
from tests.support.projecting import MemoryFeed, news
from tests.support.waiting import until


class Clock:
    """A clock that a test sets."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Connection:
    """A connection on which every query answers the checkpoints."""

    def __init__(self, *checkpoints: tuple[str, int, int, int]) -> None:
        self.checkpoints = list(checkpoints)

    async def execute(self, query: str) -> "Connection":
        return self

    async def fetchall(self) -> Sequence[tuple[str, int, int, int]]:
        return self.checkpoints


class Session:
    """A session with this connection; None: the database is away."""

    def __init__(self, connection: Connection | None) -> None:
        self.connection = connection
        self.closings = 0

    async def get(self) -> Connection:
        if self.connection is None:
            raise Unavailable("The database")
        return self.connection

    async def close(self) -> None:
        self.closings += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(lag, "monotonic", made)
    return made


def log(*lines: str, age: float = 100) -> MemoryFeed:
    """A log of one note, written so many seconds ago."""
    moment = datetime.now(UTC) - timedelta(seconds=age)
    return MemoryFeed(replace(event, recorded_at=moment) for event in news(note(1, *lines)))


def gauge(name: str, projection: str = "notes") -> float | None:
    return sample(f"palimpsest_projection_{name}", {"projection": projection})


async def test_the_lag_is_the_number_of_events_and_the_age_of_the_first_of_them() -> None:
    feed = log("a", "b")
    connection = cast(Any, Connection(("ahead", 1, 9, 0), ("notes", 3, 1, 2), ("even", 1, await feed.head(), 0)))
    ahead, behind, even = await lags(connection, feed)
    assert (ahead.behind, ahead.seconds) == (0, 0.0)
    assert (even.behind, even.seconds) == (0, 0.0)
    assert (behind.name, behind.version, behind.position, behind.quarantined) == ("notes", 3, 1, 2)
    assert behind.behind == await feed.head() - 1
    assert 100 <= behind.seconds < 130


async def test_an_event_from_a_clock_that_is_ahead_has_no_negative_age() -> None:
    [found] = await lags(cast(Any, Connection(("notes", 1, 0, 0))), log("a", age=-100))
    assert found.seconds == 0.0


async def monitor(monkeypatch: pytest.MonkeyPatch, connection: Connection, feed: MemoryFeed) -> LagMonitor:
    """A monitor of the notes that has measured once."""
    monkeypatch.setattr(lag, "ProjectorSession", lambda _: Session(connection))
    made = LagMonitor(["notes"], feed, "")
    await made.measure()
    return made


async def test_a_projection_with_work_is_stuck_once_it_has_not_moved_for_a_while(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    connection = Connection(("notes", 1, 1, 0), ("of_no_code", 1, 0, 0))
    watching = await monitor(monkeypatch, connection, log("a", "b"))
    assert (gauge("position"), gauge("stuck"), gauge("position", "of_no_code")) == (1, 0, None)
    clock.now += STUCK_SECONDS
    await watching.measure()
    assert gauge("stuck") == 0
    clock.now += 0.1
    await watching.measure()
    assert gauge("stuck") == 1
    connection.checkpoints = [("notes", 1, 2, 0)]
    await watching.measure()
    assert (gauge("position"), gauge("stuck")) == (2, 0)


async def test_a_projection_without_work_is_never_stuck(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    feed = log("a")
    watching = await monitor(monkeypatch, Connection(("notes", 1, await feed.head(), 0)), feed)
    clock.now += STUCK_SECONDS + 1
    await watching.measure()
    assert (gauge("stuck"), gauge("lag_positions")) == (0, 0)


async def test_while_the_database_is_away_time_passes(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    session = Session(Connection(("notes", 1, 1, 0)))
    monkeypatch.setattr(lag, "ProjectorSession", lambda _: session)
    watching = LagMonitor(["notes"], log("a", "b"), "")
    await watching.measure()
    session.connection = None
    clock.now += STUCK_SECONDS + 1
    running = asyncio.create_task(watching.run())
    await until(lambda: gauge("stuck") == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert session.closings == 1
