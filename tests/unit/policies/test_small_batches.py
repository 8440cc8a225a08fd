"""Batches from Kafka in smaller parts: nothing is lost, in order, and a partition that starts again drops its rest."""

from collections.abc import Mapping, Sequence

import pytest

from application.ports import PartitionBatch, PartitionCheckpoint
from infra.policies.small_batches import SmallBatches, split
from tests.support.notes import note
from tests.support.projecting import MemoryFeed, news

EVENTS = MemoryFeed(news(note(1, "a", "b", "c"))).events


class Batches:
    """A feed of these batches."""

    def __init__(self, *batches: Sequence[PartitionBatch]) -> None:
        self.batches = list(batches)
        self.started: dict[int, PartitionCheckpoint] = {}

    async def count(self) -> int:
        return 2

    def newly_assigned(self) -> Sequence[int]:
        return [1]

    def active(self) -> Sequence[int]:
        return [0]

    async def start_at(self, checkpoints: Mapping[int, PartitionCheckpoint]) -> None:
        self.started |= checkpoints

    async def next(self, timeout: float) -> Sequence[PartitionBatch]:
        return self.batches.pop(0) if self.batches else []


@pytest.mark.parametrize(
    ("limit", "parts"),
    [
        (1, [(0, 1, 1), (1, 2, 1), (2, 3, 1), (3, 9, 1)]),
        (2, [(0, 2, 2), (2, 9, 2)]),
        (3, [(0, 3, 3), (3, 9, 1)]),
        (4, [(0, 9, 4)]),
        (5, [(0, 9, 4)]),
    ],
)
def test_the_parts_of_a_batch_follow_each_other_and_the_last_has_the_offset(
    limit: int, parts: list[tuple[int, int, int]]
) -> None:
    found = [*split(PartitionBatch(0, 0, 9, EVENTS, 12), limit)]
    assert [(each.after, each.position, len(each.events)) for each in found] == parts
    assert [event for each in found for event in each.events] == EVENTS
    assert [each.offset for each in found] == [None] * (len(parts) - 1) + [12]


def test_a_batch_without_events_stays_one() -> None:
    empty = PartitionBatch(0, 3, 7, [], 12)
    assert [*split(empty, 2)] == [empty]


async def test_one_part_comes_at_a_time() -> None:
    feed = SmallBatches(Batches([PartitionBatch(0, 0, 4, EVENTS, 12), PartitionBatch(1, 0, 5, [], 3)]), lambda: 3)
    found = [[(each.partition, each.position) for each in await feed.next(0)] for _ in range(4)]
    assert found == [[(0, 3)], [(0, 4)], [(1, 5)], []]


async def test_a_partition_that_starts_again_drops_what_is_left_of_it() -> None:
    inner = Batches([PartitionBatch(0, 0, 4, EVENTS, 12), PartitionBatch(1, 0, 5, [], 3)])
    feed = SmallBatches(inner, lambda: 3)
    await feed.next(0)
    await feed.start_at({0: PartitionCheckpoint(3)})
    assert inner.started == {0: PartitionCheckpoint(3)}
    assert [each.partition for each in await feed.next(0)] == [1]


async def test_all_else_is_as_in_the_feed() -> None:
    feed = SmallBatches(Batches(), lambda: 3)
    assert (await feed.count(), feed.newly_assigned(), feed.active()) == (2, [1], [0])
