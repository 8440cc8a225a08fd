"""Checkpoints as they are stored: which statements move them, in which order, and what rows mean."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import pytest

from application.ports import PartitionCheckpoint
from infra.postgres.arrays import Array
from infra.postgres.locks import REBUILD
from infra.projector import checkpoints, partition_checkpoints
from infra.projector.checkpoints import PROJECTIONS, Checkpoint, Checkpoints, QuarantinedStream, TableNames
from infra.projector.partition_checkpoints import (
    CheckpointUpdate,
    PartitionCheckpoints,
    PartitionClaims,
    WrongPartitionCount,
)
from infra.projector.rebuild import abandoned
from infra.projector.rebuild.abandoned import LOCK, drop_unless_rebuilt
from infra.projector.schema import DELETE_CHECKPOINT
from projections.kernel import Poison
from tests.support import memory_projector
from tests.support.given import NOW

ONE, TWO = UUID(int=1), UUID(int=2)


class Memory(memory_projector.Connection):
    """A connection that keeps what is executed, and answers these rows in turn."""

    def __init__(self, *answers: list[tuple[Any, ...]]) -> None:
        self.answers = list(answers)
        self.executed: list[tuple[str, list[Any]]] = []
        self.found: list[tuple[Any, ...]] = []

    def cursor(self, binary: bool) -> "Memory":
        assert binary
        return self

    async def execute(self, statement: Any, parameters: Sequence[Any] = ()) -> "Memory":
        text = statement if isinstance(statement, str) else statement.as_string()
        values = [list(each.values) if isinstance(each, Array) else each for each in parameters]
        self.executed.append((text, values))
        self.found = self.answers.pop(0) if self.answers else []
        return self

    async def fetchall(self) -> list[tuple[Any, ...]]:
        return self.found

    async def fetchone(self) -> tuple[Any, ...] | None:
        return self.found[0] if self.found else None


def words(module: Any, name: str) -> str:
    """A statement for the tables of read models."""
    return PROJECTIONS.names.fill(getattr(module, name))


def test_only_consumers_whose_readers_wait_notify_them() -> None:
    quiet = TableNames("policy", "policies", notifies=False)
    assert checkpoints.NOTIFY in PROJECTIONS.names.fill(checkpoints.ADVANCE)
    assert "pg_notify" not in quiet.fill(checkpoints.ADVANCE)
    assert "policy_skips (policy, position" in quiet.fill(checkpoints.SKIP)
    assert "policy_quarantine" in quiet.fill(checkpoints.QUARANTINED)
    assert "policy_partitions" in quiet.fill(checkpoints.READ_PARTITIONS)


async def test_positions_are_read_and_moved() -> None:
    memory: Any = Memory([("notes", 2, 5)])
    assert await PROJECTIONS.read(memory, ["notes", "new"]) == {"notes": Checkpoint("notes", 2, 5)}
    await PROJECTIONS.advance(memory, ["notes"], 9)
    assert memory.executed == [
        (words(checkpoints, "READ"), [["notes", "new"]]),
        (words(checkpoints, "ADVANCE"), [9, ["notes"]]),
    ]


@pytest.mark.parametrize(("position", "merged"), [(6, []), (7, ["split"]), (8, ["split"])])
async def test_partitions_end_once_the_whole_has_passed_them_all(position: int, merged: list[str]) -> None:
    memory: Any = Memory()
    found = [Checkpoint("whole", 1, 4), Checkpoint("split", 1, 3, partitions={0: 3, 1: 7})]
    await PROJECTIONS.merge_partitions(memory, found, position)
    assert memory.executed == ([(words(checkpoints, "MERGE_PARTITIONS"), [merged, merged])] if merged else [])


async def test_streams_come_into_quarantine_and_out_of_it() -> None:
    memory: Any = Memory([], [(7,)], [], [])
    await PROJECTIONS.quarantine(memory, "notes", [Poison(ONE, 7, "KeyError"), Poison(TWO, 9, "ValueError")])
    assert await PROJECTIONS.release(memory, "notes", ONE) == 7
    assert await PROJECTIONS.release(memory, "notes", TWO) is None
    await PROJECTIONS.skip(memory, "notes", 7, ONE)
    assert memory.executed == [
        (words(checkpoints, "QUARANTINE"), ["notes", [ONE, TWO], [7, 9], ["KeyError", "ValueError"], "notes"]),
        (words(checkpoints, "RELEASE"), ["notes", ONE, "notes"]),
        (words(checkpoints, "RELEASE"), ["notes", TWO, "notes"]),
        (words(checkpoints, "SKIP"), ["notes", 7, ONE]),
    ]


async def test_what_is_skipped_and_in_quarantine_is_listed() -> None:
    memory: Any = Memory([(7,), (9,)], [("notes", ONE, 7, "KeyError", NOW)], [])
    assert await PROJECTIONS.skipped(memory, "notes") == {7, 9}
    assert await PROJECTIONS.list_quarantine(memory) == [QuarantinedStream("notes", ONE, 7, "KeyError", NOW)]
    assert await PROJECTIONS.list_quarantine(memory, "notes") == []
    assert [parameters for _, parameters in memory.executed] == [["notes"], [None, None], ["notes", "notes"]]


SPLIT = PartitionCheckpoints(Checkpoints(PROJECTIONS.names))


async def test_consumers_are_split_under_a_lock() -> None:
    memory: Any = Memory([], [], [("notes", 3)])
    await SPLIT.split(memory, ["notes"], 3)
    assert memory.executed == [
        (words(partition_checkpoints, "LOCK_TO_ADVANCE"), [["notes"]]),
        (words(partition_checkpoints, "SPLIT"), [3, ["notes"]]),
        (words(partition_checkpoints, "COUNTS"), [["notes"]]),
        (words(partition_checkpoints, "CREATE_PARTITIONS"), [["notes"]]),
    ]


async def test_a_consumer_with_another_number_of_partitions_is_refused() -> None:
    memory: Any = Memory([], [], [("notes", 3), ("split", 4)])
    with pytest.raises(WrongPartitionCount, match="split is split into 4 partitions, and Kafka's topic has 3"):
        await SPLIT.split(memory, ["notes", "split"], 3)
    assert len(memory.executed) == 3


async def test_partitions_are_read_with_their_offsets() -> None:
    memory: Any = Memory([("notes", 0, 5, 50), ("notes", 1, 6, None), ("split", 0, 7, 70)])
    assert await SPLIT.read(memory, ["notes", "split"]) == {
        "notes": {0: PartitionCheckpoint(5, 50), 1: PartitionCheckpoint(6, None)},
        "split": {0: PartitionCheckpoint(7, 70)},
    }


async def test_locked_partitions_are_at_least_where_the_whole_is() -> None:
    memory: Any = Memory(
        [("bare", 1, 4), ("notes", 2, 6)], [("notes", 0, 5), ("notes", 2, 8)], [("notes", ONE), ("notes", TWO)]
    )
    assert await SPLIT.lock(memory, ["bare", "notes"], [2, 0, 2]) == {
        "bare": PartitionClaims(1, frozenset(), {}),
        "notes": PartitionClaims(2, frozenset({ONE, TWO}), {0: 6, 2: 8}),
    }
    assert memory.executed == [
        (words(partition_checkpoints, "LOCK_CONSUMERS"), [["bare", "notes"]]),
        (words(partition_checkpoints, "LOCK_PARTITIONS"), [["bare", "notes"], [0, 2]]),
        (words(checkpoints, "QUARANTINED"), [["bare", "notes"]]),
    ]


async def test_moved_partitions_move_the_whole_under_a_lock() -> None:
    memory: Any = Memory()
    updates = [CheckpointUpdate("split", 1, 8, 80), CheckpointUpdate("notes", 0, 5, None)]
    await SPLIT.advance(memory, [*updates, CheckpointUpdate("split", 2, 9, 90)])
    assert memory.executed == [
        (
            words(partition_checkpoints, "UPDATE_PARTITIONS"),
            [["split", "notes", "split"], [1, 0, 2], [8, 5, 9], [80, None, 90]],
        ),
        (words(partition_checkpoints, "LOCK_TO_ADVANCE"), [["notes", "split"]]),
        (words(partition_checkpoints, "ADVANCE"), [["notes", "split"]]),
    ]


@pytest.mark.parametrize("is_free", [True, False])
async def test_the_table_of_a_rebuild_is_dropped_unless_the_rebuild_is_running(is_free: bool) -> None:
    memory = Memory([(is_free,)])
    assert await drop_unless_rebuilt(cast(Any, memory), "notes__next") is is_free
    assert memory.executed[0] == (LOCK, [REBUILD.key, "notes"])
    dropped = [parameters for text, parameters in memory.executed[1:] if text == DELETE_CHECKPOINT]
    assert dropped == ([["notes__next"]] if is_free else [])


async def test_each_unfinished_rebuild_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    class Opened(Memory):
        async def __aenter__(self) -> "Opened":
            return self

        async def __aexit__(self, *_: object) -> None: ...

    opened, looked = Opened([("notes__next",), ("split__next",)]), list[str]()

    async def connect(_: str) -> Opened:
        return opened

    async def noted(connection: object, name: str) -> bool:
        assert connection is opened
        looked.append(name)
        return False

    monkeypatch.setattr(abandoned, "connect", connect)
    monkeypatch.setattr(abandoned, "drop_unless_rebuilt", noted)
    await abandoned.drop_abandoned("url")
    assert looked == ["notes__next", "split__next"]
    assert opened.executed == [(abandoned.UNFINISHED, [6, "__next"])]
