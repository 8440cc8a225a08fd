"""SECURITY DEFINER functions run nothing that another role has created."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import psycopg
import pytest

from application.ports import ClaimTaken, Copy, Idempotency, StoredResponse, VersionConflict
from tests.support import shadows
from tests.support.note import NOW, Note
from tests.support.servers import Database
from tests.support.stores import CALL, Opened, open_store, rows

SCHEMAS = ("public", "attacker")
OPEN_AS_POSTGRESQL_14 = """
GRANT ALL ON SCHEMA public TO PUBLIC;
GRANT CREATE, TEMP ON DATABASE {name} TO palimpsest_api;
"""
SETTINGS = """
SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'palimpsest'::regnamespace AND prosecdef
"""
EXECUTABLE_BY_ALL = """
SELECT proname FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
WHERE pronamespace = 'palimpsest'::regnamespace AND grantee = 0
"""


@pytest.fixture
def attacker(database: Database) -> Iterator[psycopg.Connection]:
    """A session with the rights of the API, on a database as PostgreSQL 14 makes it."""
    rows(database.admin_url, OPEN_AS_POSTGRESQL_14.format(name=database.name))
    with psycopg.connect(database.part_url("api"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA attacker")
        connection.execute("GRANT USAGE ON SCHEMA attacker TO PUBLIC")
        yield connection


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Opened]:
    async with open_store(database.part_url("api")) as store:
        yield store


def keyed(note: Note) -> Idempotency:
    return Idempotency(b"k" * 32, b"f" * 32, note.id, note.id, note.version, NOW, Copy(b"the answer"))


async def use_every_branch(database: Database) -> None:
    """Appends that are accepted, and each kind of refusal."""
    async with opened(database) as own:
        first, again = Note.write(uuid4(), "text", "label"), Note.write(uuid4(), "again")
        await own.store.append([first], CALL, keyed(first))
        replayed = await own.store.append([again], CALL, keyed(again))
        assert isinstance(replayed, StoredResponse)
        outcomes = await asyncio.gather(
            own.store.append([Note.write(first.id, "stale")], CALL, None),
            own.store.append([Note.write(uuid4(), "text", "label")], CALL, None),
            own.store.append([Note.write(uuid4(), "text", "another label")], CALL, None),
            return_exceptions=True,
        )
        assert list(map(type, outcomes)) == [VersionConflict, ClaimTaken, int]


async def test_no_shadow_of_what_they_use_runs(database: Database, attacker: psycopg.Connection) -> None:
    """Finding H5: a function in `public` made the application's role a superuser."""
    for schema in SCHEMAS:
        assert shadows.plant(attacker, schema) > 300
    await use_every_branch(database)


@pytest.mark.parametrize(("schema", "path"), [("public", "public, pg_temp"), ("attacker", "attacker, pg_catalog")])
async def test_their_shadows_run_where_the_search_path_is_open(
    database: Database, attacker: psycopg.Connection, schema: str, path: str
) -> None:
    shadows.plant(attacker, schema)
    rows(database.admin_url, f"ALTER FUNCTION palimpsest.append_events SET search_path = {path}")
    with pytest.raises(psycopg.Error, match=r"the shadow of .* ran"):
        await use_every_branch(database)


def test_a_temporary_table_does_not_take_the_place_of_the_log(attacker: psycopg.Connection) -> None:
    """Finding H5: temporary tables come first where the search path does not name them last."""
    attacker.execute("CREATE TEMP TABLE stored_events AS SELECT 999::bigint AS notification_id, NULL::text AS topic")
    [(count,)] = attacker.execute("SELECT pronargs FROM pg_proc WHERE proname = 'append_events'").fetchall()
    arrays = ", ".join(["'{}'"] * (count - 1))
    [(head,)] = attacker.execute(f"SELECT head FROM palimpsest.append_events(0, {arrays})".encode()).fetchall()
    assert head == 0


def test_the_casts_they_use_cannot_be_replaced(attacker: psycopg.Connection) -> None:
    """Finding H5: only the owner of a type may create a cast."""
    for statement in shadows.casts(attacker):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner of type"):
            attacker.execute(statement.encode())


def test_each_of_them_closes_its_search_path(database: Database) -> None:
    found = rows(database.admin_url, SETTINGS)
    assert found
    for name, settings in found:
        assert "search_path=pg_catalog, pg_temp" in settings, name
    assert rows(database.admin_url, EXECUTABLE_BY_ALL) == []
