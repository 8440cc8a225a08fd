"""The registry of locks against the server."""

import asyncio
from uuid import uuid4

import psycopg
import pytest

from infra.postgres.locks import ALL_LOCKS, LOCK_APPENDS, LOCK_INVALIDATIONS, REBUILD
from infra.settings.database import PARTS, Part, role_of
from tests.support.note import Note
from tests.support.servers import Database
from tests.support.stores import CALL, open_store, rows

FORMER_LOCKS = (7236828, 7236831)
"""The numbers that appends and invalidations locked once."""


def test_the_class_of_rebuilds_is_the_hash_that_earlier_versions_computed_on_the_server(database: Database) -> None:
    assert rows(database.app_url, "SELECT hashtext('palimpsest rebuild')") == [(REBUILD.key,)]


async def test_l13_no_login_that_holds_advisory_locks_stops_an_append_or_an_invalidation(database: Database) -> None:
    keys = [*FORMER_LOCKS, *(lock.key for lock in ALL_LOCKS)]
    with psycopg.connect(database.app_url) as holder:
        holder.execute("SELECT pg_advisory_lock(key) FROM unnest(%s::bigint[]) AS key", [keys])
        async with open_store(database.app_url) as opened, asyncio.timeout(10):
            await opened.store.append([Note.write(uuid4(), "text")], CALL, None)
            await asyncio.to_thread(rows, database.admin_url, "SELECT palimpsest.invalidate('keys', '{}')")


@pytest.mark.parametrize("statement", [LOCK_APPENDS, LOCK_INVALIDATIONS])
@pytest.mark.parametrize("part", [part for part in PARTS if part != "owner"])
def test_l13_no_part_can_lock_what_appends_and_invalidations_wait_for(
    database: Database, part: Part, statement: str
) -> None:
    with psycopg.connect(database.app_url) as connection:
        connection.execute(f"SET ROLE {role_of(part)}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())
