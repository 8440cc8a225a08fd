"""Recently viewed documents in a real PostgreSQL: what is kept, what an erasure takes, what is shown to whom."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from domain.content import sharing
from domain.content.document import Document
from domain.identity.user import User
from infra.bootstrap.write_side import utc_now
from infra.jobs.housekeeping import PurgeViews, perform_purge_views
from infra.postgres.read_store import PooledReadStore
from infra.recent_documents import postgres_recent_documents as module
from infra.recent_documents.postgres_recent_documents import PostgresRecentDocuments
from projections.content.recent_document import recent_documents
from projections.kernel import read_models
from tests.support.given import NOW, address_of, person
from tests.support.http import Time
from tests.support.projecting import MemoryFeed, news, projecting
from tests.support.servers import Database
from tests.support.stores import CALL, Opened, open_store, rows

ADA, BOB = person(1), person(2)
START = Time().now
KEPT = "SELECT document_id FROM recent_documents WHERE user_id = %s ORDER BY viewed_at, document_id"


@pytest.fixture
async def opened(database: Database) -> AsyncIterator[Opened]:
    async with open_store(database.part_url("api")) as opened:
        yield opened


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def recent(opened: Opened, clock: Time) -> AsyncIterator[PostgresRecentDocuments]:
    made = PostgresRecentDocuments(opened.database, clock)
    yield made
    await made.stop()


def kept(database: Database, user_id: UUID) -> list[int]:
    """The documents of a user, as numbers, in the order of their last views."""
    return [id.int for (id,) in rows(database.admin_url, KEPT, user_id)]


async def test_a_user_keeps_the_documents_viewed_last(
    database: Database, recent: PostgresRecentDocuments, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RECENT", 3)
    for number in (1, 2, 3, 4, 2, 5):
        clock.pass_by(minutes=1)
        recent.note(ADA.user_id, UUID(int=number))
        recent.note(BOB.user_id, UUID(int=9))
        await recent.settle()
    assert (kept(database, ADA.user_id), kept(database, BOB.user_id)) == ([4, 2, 5], [9])
    for number in range(10, 20):
        recent.note(ADA.user_id, UUID(int=number))
    await recent.settle()
    assert kept(database, ADA.user_id) == [17, 18, 19]
    await recent.clear(ADA.user_id)
    assert (kept(database, ADA.user_id), kept(database, BOB.user_id)) == ([], [9])


async def test_a_view_that_is_written_late_hides_no_later_one(
    database: Database, opened: Opened, recent: PostgresRecentDocuments, clock: Time
) -> None:
    late = PostgresRecentDocuments(opened.database, lambda: START)
    late.note(ADA.user_id, UUID(int=1))
    clock.pass_by(minutes=5)
    recent.note(ADA.user_id, UUID(int=1))
    await recent.settle()
    await late.stop()
    [(viewed_at,)] = rows(database.admin_url, "SELECT viewed_at FROM recent_documents")
    assert viewed_at == clock.now


async def test_an_erasure_takes_the_views_of_a_user_for_good(
    database: Database, opened: Opened, recent: PostgresRecentDocuments
) -> None:
    user = User.register(id=uuid7(), email="a@example.org", name="Ada", password_hash="", now=utc_now())
    await opened.store.append([user], CALL, None)
    recent.note(user.id, UUID(int=1))
    await recent.settle()
    assert kept(database, user.id) == [1]
    user.erase(now=utc_now())
    await opened.store.append([user], CALL, None)
    assert kept(database, user.id) == []
    recent.note(user.id, UUID(int=2))
    await recent.settle()
    assert kept(database, user.id) == []


async def test_housekeeping_takes_old_views_and_those_of_erased_users(
    database: Database, opened: Opened, recent: PostgresRecentDocuments
) -> None:
    user = User.register(id=uuid7(), email="a@example.org", name="Ada", password_hash="", now=utc_now())
    await opened.store.append([user], CALL, None)
    user.erase(now=utc_now())
    await opened.store.append([user], CALL, None)
    for user_id, days in ((user.id, 0), (ADA.user_id, 91), (BOB.user_id, 89)):
        values = [user_id, UUID(int=1), f"{days} days"]
        rows(database.admin_url, "INSERT INTO recent_documents VALUES (%s, %s, now() - %s::interval)", *values)
    async with open_store(database.part_url("worker")) as worker:
        await perform_purge_views(PurgeViews(), worker.database)
    assert rows(database.admin_url, "SELECT user_id FROM recent_documents") == [(BOB.user_id,)]


async def test_a_list_shows_what_the_reader_may_read_now(
    database: Database, recent: PostgresRecentDocuments, clock: Time
) -> None:
    owners = {1: ADA, 2: ADA, 3: BOB, 4: BOB, 5: BOB, 6: ADA}
    them = {
        number: Document.create(id=UUID(int=number), owner_id=owner.user_id, title=f"{number}", content="", now=NOW)
        for number, owner in owners.items()
    }
    for number in (3, 4):
        address_id = address_of(ADA)
        sharing.share(them[number], address_id=address_id, email="a@example.org", role="editor", by=BOB, now=NOW)
    sharing.revoke_share(them[4], address_id=address_of(ADA), by=BOB, now=NOW)
    them[2].trash(by=ADA, now=NOW)
    for number in (3, 4, 5, 1, 2, 7):
        clock.pass_by(seconds=1)
        recent.note(ADA.user_id, UUID(int=number))
    recent.note(BOB.user_id, UUID(int=6))
    await recent.settle()
    async with (
        open_store(database.app_url) as reader,
        projecting(read_models(), MemoryFeed(news(*them.values())), database.app_url) as running,
    ):
        store = PooledReadStore(reader.database)
        await running.reached()
        page = await recent_documents(store, ADA)
        assert [(each.id.int, each.role) for each in page.items] == [(1, "owner"), (3, "editor")]
        assert [each.viewed_at for each in page.items] == [START + timedelta(seconds=4), START + timedelta(seconds=1)]
        assert (await recent_documents(store, BOB)).items == []
        first = await recent_documents(store, ADA, limit=1)
        second = await recent_documents(store, ADA, limit=1, cursor=first.next)
        assert [*first.items, *second.items] == page.items
        assert second.next is None
