"""Housekeeping deletes what is no longer needed of keyed requests, and no more."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from application.idempotency import SECRET_LIFETIME
from application.jobs import perform
from application.ports import Copy, Idempotency, KeptAnswer
from infra.bootstrap.write_side import utc_now
from infra.jobs.housekeeping import CUT_SECRETS, PurgeIdempotency, cut_secrets, purge_idempotency
from tests.support.note import NOW, Note
from tests.support.servers import Database
from tests.support.stores import CALL, Opened, open_store, rows

SECRET, COPY = Copy(b"token", secret=True), Copy(b"42")


@pytest.fixture
async def opened(database: Database) -> AsyncIterator[Opened]:
    async with open_store(database.app_url) as opened:
        yield opened


async def keep(opened: Opened, database: Database, answer: KeptAnswer, age: str) -> bytes:
    """Store an answer of that age; return its key."""
    note, key = Note.write(uuid4(), "text"), uuid4().bytes * 2
    await opened.store.append([note], CALL, Idempotency(key, b"f" * 32, note.id, note.id, 1, NOW, answer))
    rows(database.admin_url, "UPDATE idempotency SET recorded_at = now() - %s::interval WHERE key = %s", age, key)
    return key


async def kept(opened: Opened, key: bytes) -> KeptAnswer:
    response = await opened.store.stored_response(key)
    assert response is not None
    return response.answer


async def test_secrets_are_deleted_after_ten_minutes_but_not_the_records(opened: Opened, database: Database) -> None:
    old = await keep(opened, database, SECRET, "11 minutes")
    new = await keep(opened, database, SECRET, "9 minutes")
    other = await keep(opened, database, COPY, "11 minutes")
    assert (await cut_secrets(opened.database), await cut_secrets(opened.database)) == (1, 0)
    answers = [await kept(opened, key) for key in (old, new, other)]
    assert answers == [Copy(None, secret=True), SECRET, COPY]


def test_secrets_are_found_by_their_index(database: Database) -> None:
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(f"EXPLAIN {CUT_SECRETS}", [SECRET_LIFETIME]).fetchall()
    assert "idempotency_secrets" in str(plan)


async def test_records_are_deleted_after_two_days(opened: Opened, database: Database) -> None:
    old = await keep(opened, database, None, "49 hours")
    new = await keep(opened, database, None, "47 hours")
    assert await purge_idempotency(opened.database) == 1
    assert await opened.store.stored_response(old) is None
    assert await opened.store.stored_response(new) is not None


async def test_a_record_that_a_policy_still_needs_is_kept_however_old_it_is(opened: Opened, database: Database) -> None:
    passed = await keep(opened, database, None, "51 hours")
    needed = await keep(opened, database, None, "49 hours")
    oldest = utc_now() - timedelta(hours=50)

    async def oldest_needed() -> datetime:
        return oldest

    await perform(PurgeIdempotency(), {"database": opened.database, "oldest_needed": oldest_needed})
    assert await opened.store.stored_response(passed) is None
    assert await opened.store.stored_response(needed) is not None
    assert await purge_idempotency(opened.database, utc_now()) == 1


async def test_a_policy_that_is_up_to_date_shortens_the_time_of_no_record(opened: Opened, database: Database) -> None:
    new = await keep(opened, database, None, "47 hours")
    assert await purge_idempotency(opened.database, utc_now() - timedelta(hours=1)) == 0
    assert await opened.store.stored_response(new) is not None
