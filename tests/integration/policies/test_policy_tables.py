"""The tables of policies: where a new policy begins, and which idempotency records are still needed."""

from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from infra.bootstrap.policies import update_schema
from infra.policies.tables import POLICY_CHECKPOINTS, ensure_checkpoints, oldest_needed, register_policies
from infra.postgres.projector_connection import Connection, connect
from projections.kernel import Poison
from tests.support.feeding import FromStore
from tests.support.mirror import ANNOUNCE, COUNT_ALL, MIRROR
from tests.support.notes import note
from tests.support.servers import Database
from tests.support.stores import open_store, rows

POSITIONS = "SELECT name, position FROM policies ORDER BY name"


@pytest.fixture
async def log(database: Database) -> AsyncIterator[FromStore]:
    async with open_store(database.app_url) as opened:
        yield FromStore(opened)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with await connect(database.part_url("worker")) as opened:
        yield opened


async def recorded_at(database: Database, position: int) -> datetime:
    """When the event at this position was recorded."""
    query = "SELECT recorded_at FROM stored_events WHERE notification_id = %s"
    [(moment,)] = rows(database.admin_url, query, position)
    assert isinstance(moment, datetime)
    return moment


async def test_a_migration_creates_the_checkpoints_of_new_policies_once(log: FromStore, database: Database) -> None:
    await log.append(note(1, "a"))
    register_policies(database.admin_url, [ANNOUNCE, COUNT_ALL])
    assert rows(database.app_url, POSITIONS) == [("announce", 2), ("count_all", 0)]
    await log.append(note(2))
    register_policies(database.admin_url, [ANNOUNCE, COUNT_ALL, MIRROR])
    assert rows(database.app_url, POSITIONS) == [("announce", 2), ("count_all", 0), ("mirror", 3)]
    assert rows(database.admin_url, "SELECT tableowner FROM pg_tables WHERE tablename = 'policies'") == [
        ("palimpsest_owner",)
    ]


def test_the_schema_is_updated_with_the_policies_of_the_application(database: Database) -> None:
    assert update_schema(database.admin_url) == []


async def test_a_worker_creates_the_checkpoints_that_the_migration_did_not_know(
    log: FromStore, connection: Connection, database: Database
) -> None:
    await log.append(note(1))
    for _ in range(2):
        await ensure_checkpoints(connection, [ANNOUNCE])
        await log.append(note(2 + await log.opened.feed().head()))
    assert rows(database.app_url, POSITIONS) == [("announce", 1)]


async def test_records_are_needed_since_the_first_event_that_a_policy_has_not_passed(
    log: FromStore, connection: Connection, database: Database
) -> None:
    names = ["announce", "mirror"]
    assert await oldest_needed(connection, names) is None
    await log.append(note(1, "a", "b", "c"))
    await ensure_checkpoints(connection, [ANNOUNCE, MIRROR, COUNT_ALL])
    assert await oldest_needed(connection, names) is None
    await POLICY_CHECKPOINTS.advance(connection, ["announce"], 2)
    await POLICY_CHECKPOINTS.advance(connection, ["mirror"], 3)
    assert await oldest_needed(connection, names) == await recorded_at(database, 3)
    assert await oldest_needed(connection, ["mirror"]) == await recorded_at(database, 4)


async def test_records_are_needed_while_a_stream_is_in_quarantine(
    log: FromStore, connection: Connection, database: Database
) -> None:
    stopped = note(1, "a")
    await log.append(stopped, note(2))
    await ensure_checkpoints(connection, [MIRROR])
    await POLICY_CHECKPOINTS.quarantine(connection, "mirror", [Poison(stopped.id, 2, "Test")])
    assert await oldest_needed(connection, ["mirror"]) == await recorded_at(database, 2)
    await POLICY_CHECKPOINTS.release(connection, "mirror", stopped.id)
    assert await oldest_needed(connection, ["mirror"]) is None


async def test_a_policy_wakes_no_reader(connection: Connection, database: Database) -> None:
    await ensure_checkpoints(connection, [ANNOUNCE])
    async with await connect(database.app_url) as reader:
        await reader.execute("LISTEN palimpsest_projected")
        await POLICY_CHECKPOINTS.advance(connection, ["announce"], 1)
        # What was sent before this answer has arrived with it.
        await reader.execute("SELECT")
        assert [note async for note in reader.notifies(timeout=0)] == []
