"""Positions of read models in memory: which waits a refresh ends, and what it answers to the others."""

import asyncio
from typing import cast

from infra.postgres.connect import AsyncConnection
from infra.projector.position_tracker import PositionTracker


class Stored:
    """A connection to a database with these positions."""

    def __init__(self, **positions: int) -> None:
        self.positions = positions

    async def execute(self, query: str) -> "Stored":
        return self

    async def fetchall(self) -> list[tuple[str, int]]:
        return list(self.positions.items())


async def refresh(tracker: PositionTracker, **positions: int) -> None:
    await tracker._refresh(cast(AsyncConnection, Stored(**positions)))


async def test_what_is_known_is_reached_without_a_wait() -> None:
    tracker = PositionTracker("")
    await refresh(tracker, document=5)
    assert (tracker.known("document"), tracker.known("team")) == (5, 0)
    assert await tracker.wait("document", 5, timeout=0) == 0


async def test_a_wait_in_vain_answers_how_far_behind_the_read_model_is() -> None:
    tracker = PositionTracker("")
    await refresh(tracker, document=5)
    assert await tracker.wait("document", 7, timeout=0) == 2
    assert await tracker.wait("team", 7, timeout=0) == 7


async def test_a_refresh_ends_the_waits_that_are_reached_and_no_others() -> None:
    tracker = PositionTracker("")
    waits = [
        asyncio.create_task(tracker.wait(name, position, timeout=60))
        for name, position in (("document", 5), ("document", 6), ("team", 5))
    ]
    await asyncio.sleep(0)
    await refresh(tracker, document=5)
    assert await waits[0] == 0
    await asyncio.sleep(0)
    assert [wait.done() for wait in waits[1:]] == [False, False]
    await refresh(tracker, document=7, team=5)
    assert await asyncio.gather(*waits[1:]) == [0, 0]


async def test_a_wait_is_forgotten_at_its_end() -> None:
    tracker = PositionTracker("")
    await tracker.wait("document", 7, timeout=0)
    assert tracker._waiters["document"] == []


async def test_a_database_that_was_restored_to_an_older_state_is_believed() -> None:
    tracker = PositionTracker("")
    await refresh(tracker, document=5, team=5)
    await refresh(tracker, document=3)
    assert (tracker.known("document"), tracker.known("team")) == (3, 0)
