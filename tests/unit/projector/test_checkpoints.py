"""Checkpoints: which events of a batch a read model has not applied yet, as a whole and by partition."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import pytest

from application.ports import PartitionBatch, PartitionCheckpoint, RecordedEvent
from infra.projector import checkpoints
from infra.projector.checkpoints import PROJECTIONS, Checkpoint
from infra.projector.partition_checkpoints import PartitionClaims
from infra.projector.partitioned_projector import furthest, unapplied
from infra.store.partitioner import key_of, partition_of
from tests.support.note import Note
from tests.support.projecting import MemoryFeed, news

COUNT = 2
STREAMS = [next(UUID(int=n) for n in range(99) if partition_of(key_of(UUID(int=n)), COUNT) == each) for each in (0, 1)]
"""A stream of each partition."""


def events(*partitions: int) -> list[RecordedEvent]:
    """Events of the streams, at the positions from 1."""
    feed = MemoryFeed()
    for partition in partitions:
        feed.add(news(Note.write(STREAMS[partition], "text"))[:1])
    return feed.events


def at(found: Sequence[RecordedEvent]) -> list[int]:
    return [event.position for event in found]


def test_the_front_is_the_partition_that_is_furthest_ahead() -> None:
    assert Checkpoint("notes", 1, 3).front == 3
    assert Checkpoint("notes", 1, 3, partitions={0: 3, 1: 7}).front == 7
    assert Checkpoint("notes", 1, 9, partitions={0: 3, 1: 7}).front == 9


def test_a_stream_is_as_far_as_its_partition_or_the_whole() -> None:
    split = Checkpoint("notes", 1, 3, partitions={0: 3, 1: 7})
    assert [split.reached(stream) for stream in STREAMS] == [3, 7]
    assert [Checkpoint("notes", 1, 5, partitions={0: 3, 1: 7}).reached(stream) for stream in STREAMS] == [5, 7]
    assert Checkpoint("notes", 1, 3).reached(STREAMS[1]) == 3


def test_events_that_a_partition_has_applied_are_left_out() -> None:
    split = Checkpoint("notes", 1, 1, partitions={0: 1, 1: 3})
    assert at(split.unapplied(events(0, 0, 1, 0, 1)[1:])) == [2, 4, 5]
    assert at(split.unapplied(events(0, 0, 1, 0, 1)[2:])) == [4, 5]
    assert split.unapplied([]) == []


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_checkpoint_without_partitions_takes_every_event_after_it(position: int) -> None:
    later = events(0, 1, 1)[position:]
    assert Checkpoint("notes", 1, position).unapplied(later) is later


def statement(name: str) -> str:
    """The statement with this name for the tables of read models."""
    return PROJECTIONS.names.fill(getattr(checkpoints, name))


class Rows:
    """A connection that answers these rows, by statement."""

    def __init__(self, **answers: list[tuple[Any, ...]]) -> None:
        self.answers = {statement(name): found for name, found in answers.items()}
        self.asked: list[tuple[str, list[str]]] = []

    def cursor(self, binary: bool) -> "Rows":
        assert binary
        return self

    async def execute(self, statement: str, parameters: list[Any]) -> "Rows":
        self.asked.append((statement, list(parameters[0].values)))
        return self

    async def fetchall(self) -> list[tuple[Any, ...]]:
        return self.answers[self.asked[-1][0]]


async def test_locked_checkpoints_have_their_quarantine_and_their_partitions() -> None:
    rows = Rows(
        LOCK=[("bare", 1, 4, 0, 0), ("notes", 2, 5, 2, 0), ("split", 1, 6, 0, 2)],
        QUARANTINED=[("notes", STREAMS[0]), ("notes", STREAMS[1])],
        READ_PARTITIONS=[("split", 0, 6), ("split", 1, 8)],
    )
    assert await PROJECTIONS.lock(cast(Any, rows), ["bare", "notes", "split"]) == {
        "bare": Checkpoint("bare", 1, 4),
        "notes": Checkpoint("notes", 2, 5, frozenset(STREAMS)),
        "split": Checkpoint("split", 1, 6, partitions={0: 6, 1: 8}),
    }
    assert rows.asked[1:] == [(statement("QUARANTINED"), ["notes"]), (statement("READ_PARTITIONS"), ["split"])]


async def test_nothing_more_is_asked_about_checkpoints_without_quarantine_and_partitions() -> None:
    rows = Rows(LOCK_FREE=[("notes", 2, 5, 0, 0)])
    assert await PROJECTIONS.lock(cast(Any, rows), ["notes"], wait=False) == {"notes": Checkpoint("notes", 2, 5)}
    assert rows.asked == [(statement("LOCK_FREE"), ["notes"])]


def claim(**positions: int) -> PartitionClaims:
    """A claim of partitions, by names like `p0`."""
    return PartitionClaims(1, frozenset(), {int(name[1:]): position for name, position in positions.items()})


def test_a_batch_moves_its_partition_and_brings_its_events() -> None:
    batch = PartitionBatch(0, 0, 2, events(0, 0), 12)
    found, [update] = unapplied("notes", claim(p0=0, p1=9), [batch])
    assert at(found) == [1, 2]
    assert (update.name, update.partition, update.position, update.offset) == ("notes", 0, 2, 12)


def test_of_a_batch_that_comes_again_only_the_new_part_counts() -> None:
    batch = PartitionBatch(0, 0, 3, events(0, 0, 0), 12)
    found, [update] = unapplied("notes", claim(p0=2), [batch])
    assert (at(found), update.position) == ([3], 3)


@pytest.mark.parametrize(("after", "position"), [(0, 2), (0, 1), (3, 4)])
def test_a_batch_without_news_or_with_a_gap_before_it_changes_nothing(after: int, position: int) -> None:
    batch = PartitionBatch(0, after, position, events(*[0] * position)[after:], 12)
    assert unapplied("notes", claim(p0=2), [batch]) == ([], [])


def test_a_batch_without_events_moves_its_partition() -> None:
    found, [update] = unapplied("notes", claim(p0=2), [PartitionBatch(0, 2, 7, [], 12)])
    assert (found, update.position) == ([], 7)


def test_batches_of_one_partition_follow_each_other() -> None:
    log = events(0, 0, 0)
    batches = [PartitionBatch(0, 0, 1, log[:1], 10), PartitionBatch(0, 1, 3, log[1:], 12)]
    found, [update] = unapplied("notes", claim(p0=0), batches)
    assert (at(found), update.position, update.offset) == ([1, 2, 3], 3, 12)


def test_a_partition_starts_at_the_read_model_that_is_furthest_ahead_and_knows_its_offset() -> None:
    found = [PartitionCheckpoint(5, None), PartitionCheckpoint(5, 70), PartitionCheckpoint(4, 60)]
    assert furthest(found) == PartitionCheckpoint(5, 70)
