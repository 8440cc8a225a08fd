"""SECURITY DEFINER functions run nothing that another role has created."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from application.ports import ClaimTaken, Copy, Idempotency, StoredResponse, VersionConflict
from infra.sealing.keyring import WrappedKey
from infra.store.append_batch import AppendRequest, AppendStatus
from tests.support import shadows
from tests.support.note import NOW, Note
from tests.support.servers import Database
from tests.support.stores import CALL, KEK_ID, STAMPS, Opened, open_store, rows

SCHEMAS = ("public", "attacker")
DEFINERS = (
    "append_events",
    "begin_session",
    "end_sessions",
    "end_sessions_of_users",
    "enqueue_jobs",
    "erase_jobs",
    "erase_keys",
    "invalidate",
    "keep_security_log",
    "keep_session_partitions",
    "number_security_entry",
    "queue_place",
    "record_key",
    "rotate_session",
)
OPEN_AS_POSTGRESQL_14 = """
GRANT ALL ON SCHEMA public TO PUBLIC;
GRANT CREATE, TEMP ON DATABASE {name} TO palimpsest_api;
"""
SETTINGS = """
SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'palimpsest'::regnamespace AND prosecdef
"""
ENQUEUE_ONE = "SELECT palimpsest.enqueue_jobs('{default}', '{0}', '{NULL}', ARRAY[%s], ARRAY[NULL]::timestamptz[])"
ENTER = """
INSERT INTO security_log (at, id, request_id, action, outcome, count)
SELECT now(), id, id, 'log_in', 'done', 1 FROM gen_random_uuid() AS id
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
    """Two keys, an entry of the security log, appends that are accepted, an erasure, and each kind of refusal."""
    for id in ("first", "second"):
        rows(database.part_url("api"), "SELECT record_key('signing', %s, '')", id)
    assert rows(database.admin_url, "SELECT id FROM keys") == [("first",)]
    rows(database.part_url("worker"), "SELECT palimpsest.keep_security_log()")
    rows(database.part_url("api"), ENTER)
    for key, enqueued in (("open", True), ("first", False)):
        rows(database.admin_url, "UPDATE keys SET kind = 'key-encryption', state = 'closed'")
        assert rows(database.part_url("api"), ENQUEUE_ONE, Jsonb({"key": key})) == [(enqueued,)]
    rows(database.admin_url, "UPDATE keys SET kind = 'signing', state = 'current'")
    assert rows(database.part_url("api"), "SELECT palimpsest.queue_place('default', 'swift 1', 'a', 'b')") == [(1,)]
    use_sessions(database)
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
        first.relabel("third label")
        await own.store.append([first], CALL, None)
        await use_keys(database, own, first)
        job = Jsonb({"key": "open", "sealed": "", "subjects": [str(first.id)]})
        assert rows(database.part_url("api"), ENQUEUE_ONE, job) == [(True,)]
        first.erase()
        await own.store.append([first], CALL, None)
    assert rows(database.admin_url, "SELECT wrapped FROM data_keys WHERE subject_id = %s", first.id) == [(None,)]


SESSION = """
SELECT begin_session(
    %s, %s, 1, NULL, 'bearer', now(), now() + '1 day', now() + '1 day', '', '', '', %s, 1,
    'default', 0, NULL, '{}', NULL
)
"""
ROTATE = "SELECT rotate_session(%s, '', 'next', now(), now(), '')"


def use_sessions(database: Database) -> None:
    """A session that begins, goes on, and ends since there is another one, on a new device; one that ends by an event;
    one too late.
    """
    api, user_id, first, second = database.part_url("api"), uuid4(), uuid7(), uuid7()
    assert rows(api, SESSION, first, user_id, b"laptop") == [("begun",)]
    assert rows(api, ROTATE, first) == [(True,)]
    assert rows(api, SESSION, second, user_id, b"phone") == [("new_device",)]
    assert rows(api, "SELECT end_sessions(%s, %s, now(), 'logout')", user_id, [first, second]) == [(2,)]
    assert rows(api, SESSION, uuid7(), user_id, b"phone") == [("begun",)]
    rows(api, "SELECT end_sessions_of_users(%s, '{2}', '{NULL}', now())", [user_id])
    assert rows(api, SESSION, uuid7(), user_id, b"phone") == [("refused",)]
    assert rows(database.admin_url, "SELECT count(*) FROM sessions WHERE ended_at IS NULL") == [(0,)]
    for moment in ("2020-01-15", "2026-11-15"):
        rows(database.part_url("worker"), "SELECT keep_session_partitions(%s, '2026-10-01')", moment)


async def use_keys(database: Database, own: Opened, known: Note) -> None:
    """Appends with a second data key of a subject, under a closed key-encryption key, and under a closed store key."""
    second = WrappedKey(known.id, b"another", KEK_ID)
    outcome = await own.writer.append(AppendRequest({known.id.int: known.version}, [], keys=[second]))
    assert outcome.status is AppendStatus.REKEY
    for kind, id in (("key-encryption", KEK_ID), ("store", STAMPS.tag.hex())):
        rows(
            database.admin_url,
            "INSERT INTO keys (kind, id, check_value, state) VALUES (%s, %s, '', 'closed')",
            kind,
            id,
        )
        with pytest.raises(VersionConflict):
            await own.store.append([Note.write(uuid4(), "text")], CALL, None)
        rows(database.admin_url, "DELETE FROM keys WHERE kind = %s", kind)


async def test_no_shadow_of_what_they_use_runs(database: Database, attacker: psycopg.Connection) -> None:
    """Finding H5: a function in `public` made the application's role a superuser."""
    for schema in SCHEMAS:
        assert shadows.plant(attacker, schema) > 300
    await use_every_branch(database)


@pytest.mark.parametrize(
    ("function", "path"),
    [
        ("append_events", "public, pg_temp"),
        *((name, "attacker, pg_catalog") for name in DEFINERS),
    ],
)
async def test_their_shadows_run_where_the_search_path_is_open(
    database: Database, attacker: psycopg.Connection, function: str, path: str
) -> None:
    """So each of them runs in the test before."""
    shadows.plant(attacker, path.partition(",")[0])
    rows(database.admin_url, f"ALTER FUNCTION palimpsest.{function} SET search_path = {path}")
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
