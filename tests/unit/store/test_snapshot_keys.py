"""Snapshots of personal data need the stream's data key: without it none is written, and a missing one is an error."""

from typing import Any, cast
from uuid import UUID

import pytest
from eventsourcing.utils import get_topic

from infra.sealing.keyring import DataKey
from infra.sealing.store_keys import Damage
from infra.store.snapshots import INTERVAL_EVENTS, Interval, Snapshots
from infra.store.stream_reader import StoredSnapshot
from tests.support.note import Note
from tests.support.stores import STAMPS

NOTE = Note.write(UUID(int=1), "text")
DUE = Interval(version=1, size=10, events=INTERVAL_EVENTS, bytes=1_000)


class Keys:
    """A keyring with one key, or none."""

    stamps = STAMPS

    def __init__(self, key: DataKey | None) -> None:
        self.key = key

    def kept(self, subject_id: UUID) -> DataKey | None:
        return self.key

    async def get(self, subject_id: UUID) -> DataKey | None:
        return self.key


class Written:
    """A database that keeps the statements."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    async def rows(self, statement: str, parameters: Any) -> list[tuple[int, int]]:
        self.statements.append(statement.split(maxsplit=1)[0])
        return [(10**6, 10**9)]


def snapshots(key: DataKey | None) -> tuple[Snapshots, Written]:
    database = Written()
    return Snapshots(cast(Any, database), cast(Any, Keys(key))), database


async def test_a_snapshot_that_is_due_is_written_and_the_interval_begins_again() -> None:
    keeper, database = snapshots(DataKey(bytes(32)))
    after = keeper.keep(NOTE, DUE, newest=True)
    await keeper.drain()
    assert (after.version, after.events, after.bytes) == (0, 0, 0)
    assert after.size > 0
    assert database.statements[0] == "INSERT"


async def test_without_the_key_in_memory_none_is_written_and_the_interval_goes_on() -> None:
    keeper, database = snapshots(None)
    assert keeper.keep(NOTE, DUE, newest=True) is DUE
    await keeper.drain()
    assert database.statements == []


async def test_a_key_that_is_missing_is_an_error() -> None:
    keeper, _ = snapshots(None)
    stored = StoredSnapshot(1, get_topic(Note), b"", Note.snapshot_version)
    with pytest.raises(Damage, match="a data key is missing"):
        await keeper.restore(Note, NOTE.id, stored)
