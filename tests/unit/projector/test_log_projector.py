"""Projector of the whole log: which read models move together, how far, and when it waits."""

import asyncio

import pytest

from infra.projector import log_projector, read_models
from infra.projector.checkpoints import PROJECTIONS, Checkpoint
from infra.projector.log_projector import LogProjector
from infra.projector.read_ahead import BufferedFeed
from infra.projector.read_models import ReadModels
from projections.kernel import ReadModel, Table
from tests.support.memory_projector import MemoryCheckpoints, run_to_its_end
from tests.support.notes import Notes, note
from tests.support.projecting import MemoryFeed, news


class Other(Notes):
    """Another read model."""

    table = Table("other", key=Notes.table.key, columns=Notes.table.columns)


class Ended(BufferedFeed):
    """A feed that cancels its reader at the end of the log, after `looks` waits in vain."""

    looks = 0

    async def wait(self, after: int, timeout: float) -> None:
        assert 0 < timeout <= 1
        if self.looks == 0:
            raise asyncio.CancelledError
        self.looks -= 1


def log(count: int) -> MemoryFeed:
    return MemoryFeed(news(*(note(n) for n in range(1, count + 1))))


async def project(feed: MemoryFeed, looks: int = 0) -> None:
    """Run a projector of both read models until it has nothing to do."""

    async def never(model: ReadModel) -> None:
        pytest.fail("rebuilt")

    events = Ended(feed)
    events.looks = looks
    await run_to_its_end(LogProjector(ReadModels([Notes(), Other()], never), events, feed, ""))


async def test_read_models_at_one_position_move_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_models, "BATCH", 2)
    memory = MemoryCheckpoints()
    memory.use(monkeypatch)
    await project(log(3))
    assert memory.applied == [("notes", [1, 2]), ("other", [1, 2]), ("notes", [3]), ("other", [3])]
    assert {checkpoint.position for checkpoint in memory.stored.values()} == {3}


async def test_one_that_is_behind_catches_up_with_the_next_and_they_go_on_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = MemoryCheckpoints(Checkpoint("notes", 1, 1), Checkpoint("other", 1, 4))
    memory.use(monkeypatch)
    await project(log(4))
    assert memory.applied == [("notes", [2, 3, 4])]
    memory.applied.clear()
    await project(log(6))
    assert memory.applied == [("notes", [5, 6]), ("other", [5, 6])]


async def test_read_models_at_different_positions_move_in_one_round_each_no_further_than_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = MemoryCheckpoints(Checkpoint("notes", 1, 1), Checkpoint("other", 1, 4))
    memory.use(monkeypatch)
    await project(log(6))
    assert memory.applied == [("notes", [2, 3, 4]), ("other", [5, 6]), ("notes", [5, 6])]


async def test_a_locked_checkpoint_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = MemoryCheckpoints()
    memory.use(monkeypatch)
    memory.locked.add("notes")
    await project(log(2))
    assert memory.applied == [("other", [1, 2])]
    assert memory.stored["notes"].position == 0


async def test_a_checkpoint_that_another_projector_has_moved_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = MemoryCheckpoints()
    memory.use(monkeypatch)
    read = memory.read

    async def outdated(connection: object, names: list[str]) -> dict[str, Checkpoint]:
        found = await read(connection, names)
        memory.stored["notes"] = Checkpoint("notes", 1, 1)
        return found

    monkeypatch.setattr(PROJECTIONS, "read", outdated)
    await project(log(2))
    assert memory.applied == [("other", [1, 2])]
    assert memory.stored["notes"].position == 1


async def test_without_a_table_of_its_own_version_it_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(log_projector, "asyncio", type("Asyncio", (), {"sleep": staticmethod(sleep)}))
    MemoryCheckpoints(Checkpoint("notes", 2, 0), Checkpoint("other", 2, 0)).use(monkeypatch)
    await project(log(1))
    assert slept == [1.0, 1.0]


async def test_after_a_batch_it_lingers_and_without_one_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    lingered: list[tuple[int, float, int]] = []

    def linger(events: int, seconds: float, full_batch: int) -> float:
        lingered.append((events, seconds, full_batch))
        return 0.0

    monkeypatch.setattr(log_projector, "linger", linger)
    monkeypatch.setattr(log_projector, "monotonic", lambda: 100.0)
    MemoryCheckpoints().use(monkeypatch)
    await project(log(5), looks=3)
    assert lingered == [(5, 0.0, read_models.BATCH)]
