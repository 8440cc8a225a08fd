"""Steps of a rebuild: where the new table has to come to, how it gets there, and what is compared at the end."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import psycopg
import pytest

from application.ports import RecordedEvent
from infra.projector.checkpoints import PROJECTIONS, Checkpoint
from infra.projector.rebuild import rebuild as rebuilding
from infra.projector.rebuild.rebuild import SWAP_ATTEMPTS, RebuildResult, _Rebuild
from infra.store.partitioner import key_of, partition_of
from projections.kernel import Poison
from tests.support import memory_projector
from tests.support.notes import Notes, note
from tests.support.projecting import MemoryFeed, news

NEXT = "notes__next"
STREAMS = [next(n for n in range(1, 99) if partition_of(key_of(UUID(int=n)), 2) == each) for each in (0, 1)]
"""A stream of each of two partitions."""


class Writer:
    """Stands for the writer of the new table: fails at the positions `bad`, and keeps what it was given."""

    name = NEXT

    def __init__(self) -> None:
        self.statements = Mock()
        self.bad: Collection[int] = ()
        self.batches: list[list[int]] = []
        self.left_out: list[Collection[UUID]] = []

    async def apply_carefully(
        self, _: object, events: Sequence[RecordedEvent], quarantined: Collection[UUID]
    ) -> list[Poison]:
        self.batches.append([event.position for event in events])
        self.left_out.append(quarantined)
        return [Poison(event.stream_id, event.position, "KeyError") for event in events if event.position in self.bad]


class Stored:
    """The checkpoints of both tables, and the streams that came into quarantine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, live: Checkpoint, position: int = 0) -> None:
        self.stored = {"notes": live, NEXT: Checkpoint(NEXT, 1, position)}
        self.poisons: list[tuple[str, int]] = []
        for name in ("read", "lock", "advance", "quarantine"):
            monkeypatch.setattr(PROJECTIONS, name, getattr(self, name))
        monkeypatch.setattr(rebuilding, "BATCH", 2)

    async def read(self, _: object, names: Iterable[str]) -> dict[str, Checkpoint]:
        return {name: self.stored[name] for name in names}

    async def lock(self, _: object, names: Iterable[str]) -> dict[str, Checkpoint]:
        return await self.read(_, names)

    async def advance(self, _: object, names: Iterable[str], position: int) -> None:
        for name in names:
            self.stored[name] = replace(self.stored[name], position=position)

    async def quarantine(self, _: object, name: str, poisons: Sequence[Poison]) -> None:
        self.poisons += [(name, poison.position) for poison in poisons]
        streams = {poison.stream_id for poison in poisons}
        self.stored[name] = replace(self.stored[name], quarantined=self.stored[name].quarantined | streams)


def log(*partitions: int) -> MemoryFeed:
    """A log with an event of a stream of each of these partitions, in order."""
    feed = MemoryFeed()
    for partition in partitions:
        feed.add(news(note(STREAMS[partition]))[:1])
    return feed


def rebuild_of(feed: MemoryFeed, connection: Any = None, skipped: Collection[int] = ()) -> tuple[_Rebuild, Writer]:
    found = _Rebuild(Notes(), feed, connection or cast(Any, memory_projector.Connection()), Mock(), Mock(), None)
    writer = Writer()
    found._next, found._skipped = cast(Any, writer), frozenset(skipped)
    return found, writer


@pytest.mark.parametrize(
    ("live", "goal"),
    [
        (Checkpoint("notes", 1, 3), 3),
        (Checkpoint("notes", 1, 0), 5),
        (Checkpoint("notes", 0, 3), 5),
        (Checkpoint("notes", 0, 7), 7),
    ],
    ids=["comparable", "new", "of an earlier version", "ahead of the log that was read"],
)
async def test_the_goal_is_the_live_table_if_both_can_be_compared(
    monkeypatch: pytest.MonkeyPatch, live: Checkpoint, goal: int
) -> None:
    Stored(monkeypatch, live)
    rebuild, _ = rebuild_of(log(0, 0, 0, 0, 0))
    assert await rebuild._goal() == goal


async def test_it_catches_up_by_batches_without_skipped_events(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored(monkeypatch, Checkpoint("notes", 1, 5))
    rebuild, writer = rebuild_of(log(0, 0, 0, 0, 0, 0, 0), skipped=[1, 2, 4])
    await rebuild._catch_up()
    assert (writer.batches, stored.stored[NEXT].position) == ([[3], [5]], 5)


async def test_an_event_that_fails_puts_its_stream_into_quarantine(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored(monkeypatch, Checkpoint("notes", 1, 4))
    rebuild, writer = rebuild_of(log(0, 1, 0, 1))
    writer.bad = (1,)
    await rebuild._catch_up()
    assert stored.poisons == [(NEXT, 1)]
    assert writer.left_out == [frozenset(), {UUID(int=STREAMS[0])}]


async def test_at_the_end_the_new_table_comes_to_the_position_of_the_live_one(monkeypatch: pytest.MonkeyPatch) -> None:
    Stored(monkeypatch, Checkpoint("notes", 1, 5), position=1)
    rebuild, writer = rebuild_of(log(0, 0, 0, 0, 0, 0))
    live, successor = await rebuild._level()
    assert (live.position, successor.position, writer.batches) == (5, 5, [[2, 3], [4, 5]])


async def test_where_partitions_of_the_live_table_are_ahead_it_gets_their_events_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Stored(monkeypatch, Checkpoint("notes", 1, 2, partitions={0: 2, 1: 6}), position=2)
    rebuild, writer = rebuild_of(log(0, 1, 0, 1, 1, 1, 1, 0))
    _, successor = await rebuild._level()
    assert (successor.position, writer.batches) == (2, [[4], [5, 6]])


async def test_partitions_are_not_waited_for_where_the_log_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    Stored(monkeypatch, Checkpoint("notes", 1, 1, partitions={0: 1, 1: 9}), position=1)
    rebuild, writer = rebuild_of(log(0, 1))
    await rebuild._level()
    assert writer.batches == [[2]]


@pytest.mark.parametrize("version", [0, 1])
async def test_a_table_that_cannot_be_compared_comes_to_the_front_of_the_live_one(
    monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """As it has another version, or the new one has been loaded further."""
    live = Checkpoint("notes", version, 1, partitions={0: 1, 1: 5})
    Stored(monkeypatch, live, position=3)
    rebuild, writer = rebuild_of(log(0, 1, 0, 1, 1, 1))
    _, successor = await rebuild._level()
    assert (successor.position, writer.batches) == (5, [[4, 5]])


SAME, OTHER = (3, 11, 12), (3, 11, 99)


@pytest.mark.parametrize(
    ("version", "position", "rows", "expected"),
    [
        (1, 5, [SAME, SAME], (3, 3, 0)),
        (1, 5, [SAME, OTHER, (2,)], (3, 3, 2)),
        (0, 5, [(3,), (4,)], (3, 4, None)),
        (1, 4, [(3,), (4,)], (3, 4, None)),
    ],
    ids=["equal", "different", "another version", "another position"],
)
async def test_tables_are_compared_if_they_have_one_version_and_position(
    version: int, position: int, rows: list[tuple[int, ...]], expected: tuple[int, int, int | None]
) -> None:
    cursors = [SimpleNamespace(fetchone=AsyncMock(return_value=row)) for row in rows]
    rebuild, _ = rebuild_of(MemoryFeed(), SimpleNamespace(execute=AsyncMock(side_effect=cursors)))
    live = Checkpoint("notes", version, position)
    found = await rebuild._compared(live, Checkpoint(NEXT, 1, 5, frozenset({UUID(int=1)})))
    before, after, differing = expected
    assert found == RebuildResult(5, before, after, differing, 1)


@pytest.mark.parametrize("refused", [0, 2, SWAP_ATTEMPTS])
async def test_a_swap_that_long_queries_keep_out_is_tried_again_ever_later(
    monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(round(seconds, 3))

    class Connection(memory_projector.Connection):
        execute = AsyncMock()

    rebuild, _ = rebuild_of(MemoryFeed(), Connection())
    outcomes = [*[psycopg.errors.LockNotAvailable()] * refused, "swapped"]
    monkeypatch.setattr(rebuild, "_compare_and_swap", AsyncMock(side_effect=outcomes))
    monkeypatch.setattr(rebuild, "_catch_up", AsyncMock())
    monkeypatch.setattr(rebuilding, "asyncio", SimpleNamespace(sleep=sleep))
    swapping = rebuild._finish(True, cast("asyncio.Task[object]", Mock()))
    if refused == SWAP_ATTEMPTS:
        with pytest.raises(TimeoutError, match="notes"):
            await swapping
    else:
        assert cast(Any, await swapping) == "swapped"
    assert pauses == [round(0.1 * n, 3) for n in range(1, refused + 1)]
