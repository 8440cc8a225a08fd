"""A projector with partitions: records that are missing in the feed are read from the store, and a gauge says so."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import pytest

from application.ports import PartitionBatch, PartitionCheckpoint, RecordedEvent
from infra.projector import partitioned_projector
from infra.projector.partition_checkpoints import CheckpointUpdate, PartitionClaims
from infra.projector.partitioned_projector import PartitionedProjector, missing_gauge
from infra.projector.read_ahead import BufferedFeed
from infra.projector.read_models import ReadModels
from infra.store.partitioner import key_of, partition_of
from projections.kernel import ReadModel, Table
from tests.support.memory_projector import MemoryCheckpoints, run_to_its_end
from tests.support.metrics import sample
from tests.support.note import Note
from tests.support.notes import Notes
from tests.support.projecting import MemoryFeed, news

COUNT = 2
STREAM = next(UUID(int=n) for n in range(99) if partition_of(key_of(UUID(int=n)), COUNT) == 1)


class Stored:
    """Checkpoints by partition, in memory (`infra.projector.partition_checkpoints`)."""

    def __init__(self) -> None:
        self.positions = {name: dict.fromkeys(range(COUNT), 0) for name in ("notes", "other")}
        self.gone = set[str]()
        """Names that another projector has just rebuilt: they cannot be locked once."""

    async def split(self, connection: object, names: Sequence[str], count: int) -> None:
        assert count == COUNT

    async def read(self, connection: object, names: Iterable[str]) -> dict[str, dict[int, PartitionCheckpoint]]:
        return {name: {n: PartitionCheckpoint(at) for n, at in self.positions[name].items()} for name in names}

    async def lock(
        self, connection: object, names: Iterable[str], partitions: Iterable[int]
    ) -> dict[str, PartitionClaims]:
        wanted = list(partitions)
        claims = {name: {n: self.positions[name][n] for n in wanted} for name in names if name not in self.gone}
        self.gone.clear()
        return {name: PartitionClaims(Notes.version, frozenset(), claimed) for name, claimed in claims.items()}

    async def advance(self, connection: object, updates: Sequence[CheckpointUpdate]) -> None:
        for update in updates:
            self.positions[update.name][update.partition] = update.position


class Batches:
    """A feed of one partition: these batches, None for a wait in vain, then the end (`application.ports`)."""

    def __init__(self, *batches: PartitionBatch | None) -> None:
        self.batches = list(batches)
        self.gauge: list[float | None] = []
        self.starts: dict[int, PartitionCheckpoint] = {}

    async def count(self) -> int:
        return COUNT

    def active(self) -> list[int]:
        return list(self.starts)

    def newly_assigned(self) -> list[int]:
        return [] if self.starts else [1]

    async def start_at(self, checkpoints: Mapping[int, PartitionCheckpoint]) -> None:
        self.starts |= checkpoints

    async def next(self, timeout: float) -> Sequence[PartitionBatch]:
        self.gauge.append(sample("palimpsest_feed_missing", {"partition": "1"}))
        if not self.batches:
            raise asyncio.CancelledError
        batch = self.batches.pop(0)
        return [] if batch is None else [batch]


@pytest.fixture
def log() -> MemoryFeed:
    """Five events of one stream."""
    written = Note.write(STREAM, "one")
    for line in ("two", "three", "four", "five"):
        written.extend(line)
    return MemoryFeed(news(written)[:5])


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    """The batches that were applied."""
    memory = MemoryCheckpoints()
    memory.use(monkeypatch)
    return memory.applied


@pytest.fixture
def stored(applied: object, monkeypatch: pytest.MonkeyPatch) -> Stored:
    """Checkpoints by partition."""
    memory = Stored()
    monkeypatch.setattr(partitioned_projector, "PartitionCheckpoints", lambda _: memory)
    return memory


class Other(Notes):
    """Another read model."""

    table = Table("other", key=Notes.table.key, columns=Notes.table.columns)


async def project(feed: Batches, log: MemoryFeed, *others: ReadModel) -> None:
    """Run a projector until the feed has no more batches."""

    async def never(model: ReadModel) -> None:
        pytest.fail("rebuilt")

    projector = PartitionedProjector(
        ReadModels([Notes(), *others], never), feed, events=BufferedFeed(log), store=log, url=""
    )
    await run_to_its_end(projector)


async def test_batches_are_applied_in_order_and_a_repeated_one_once(
    stored: Stored, applied: list[tuple[str, list[int]]], log: MemoryFeed
) -> None:
    missing_gauge.labels(1).set(1)
    whole = log.events
    feed = Batches(*(PartitionBatch(1, a, b, whole[a:b]) for a, b in ((0, 2), (0, 2), (1, 3), (3, 5))))
    await project(feed, log)
    assert applied == [("notes", [1, 2]), ("notes", [3]), ("notes", [4, 5])]
    assert stored.positions["notes"] == {0: 0, 1: 5}
    assert feed.gauge == [0, 0, 0, 0, 0]


async def test_missing_records_are_read_from_the_store_before_any_later_one(
    stored: Stored, applied: list[tuple[str, list[int]]], log: MemoryFeed
) -> None:
    feed = Batches(PartitionBatch(1, 0, 1, log.events[:1]), PartitionBatch(1, 3, 4, log.events[3:4]), None)
    during: list[float | None] = []

    class Watched(MemoryFeed):
        async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
            during.append(sample("palimpsest_feed_missing", {"partition": "1"}))
            return await super().read(after, limit)

    await project(feed, Watched(log.events))
    assert applied == [("notes", [1]), ("notes", [2, 3, 4, 5])]
    assert stored.positions["notes"] == {0: 0, 1: 5}
    assert during == [1]
    assert feed.gauge == [0, 0, 1, 0]


async def test_a_read_model_that_could_not_be_locked_catches_up_and_the_others_go_on(
    stored: Stored, applied: list[tuple[str, list[int]]], log: MemoryFeed
) -> None:
    stored.gone.add("notes")
    feed = Batches(PartitionBatch(1, 0, 2, log.events[:2]), PartitionBatch(1, 2, 5, log.events[2:]), None)
    await project(feed, log, Other())
    assert [positions for name, positions in applied if name == "other"] == [[1, 2], [3, 4, 5]]
    assert [n for name, positions in applied if name == "notes" for n in positions] == [1, 2, 3, 4, 5]
    assert applied[0] == ("other", [1, 2])
