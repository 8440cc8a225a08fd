"""The event store during failures: answers lost, connections refused, the server killed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from application.ports import OutcomeUnknown, Unavailable
from infra.postgres.locks import LOCK_APPENDS
from tests.support.note import Note
from tests.support.proxy import Proxy, proxy_to
from tests.support.servers import Database, PostgresForTests, own_postgres
from tests.support.stores import CALL, Opened, open_store, rows, waiting_for_locks
from tests.support.waiting import until


@dataclass
class Shaky:
    """A store behind a proxy."""

    opened: Opened
    proxy: Proxy
    admin_url: str

    def positions(self) -> list[int]:
        query = "SELECT notification_id FROM stored_events ORDER BY notification_id"
        return [position for (position,) in rows(self.admin_url, query)]


@pytest.fixture
async def shaky(database: Database) -> AsyncIterator[Shaky]:
    target = conninfo_to_dict(database.app_url)
    async with (
        proxy_to(str(target["host"]), int(str(target["port"]))) as (proxy, port),
        open_store(make_conninfo(database.app_url, port=port)) as opened,
    ):
        yield Shaky(opened, proxy, database.admin_url)


def note() -> Note:
    return Note.write(uuid4(), "text")


async def append(opened: Opened, written: Note) -> int:
    position = await opened.store.append([written], CALL, None)
    assert isinstance(position, int)
    return position


async def test_an_append_whose_answer_was_lost_is_recognised(shaky: Shaky) -> None:
    await shaky.opened.store.append([note()], CALL, None)
    shaky.proxy.lose_next_answer = True
    positions = await asyncio.gather(*(append(shaky.opened, note()) for _ in range(5)))
    assert sorted(positions) == [2, 3, 4, 5, 6]
    assert shaky.positions() == [1, 2, 3, 4, 5, 6]


async def test_without_a_new_connection_the_outcome_is_unknown(shaky: Shaky) -> None:
    await shaky.opened.store.append([note()], CALL, None)
    shaky.proxy.lose_next_answer = shaky.proxy.refuse = True
    with pytest.raises(OutcomeUnknown):
        await shaky.opened.store.append([note()], CALL, None)
    shaky.proxy.refuse = False
    assert shaky.positions() == [1, 2]
    assert await shaky.opened.store.append([note()], CALL, None) == 3


async def test_without_a_database_nothing_is_acknowledged_and_nothing_written(shaky: Shaky) -> None:
    shaky.proxy.refuse = True
    with pytest.raises(Unavailable) as refused:
        await shaky.opened.store.append([note()], CALL, None)
    assert not isinstance(refused.value, OutcomeUnknown)
    with pytest.raises(Unavailable):
        await shaky.opened.store.load(Note, uuid4())
    assert shaky.positions() == []


async def test_a_held_lock_delays_appends_and_ends_with_its_holder(database: Database) -> None:
    async with open_store(database.app_url) as opened:
        async with await psycopg.AsyncConnection.connect(database.admin_url) as holder:
            await holder.execute(LOCK_APPENDS)
            appending = asyncio.create_task(opened.store.append([note()], CALL, None))
            await until(lambda: waiting_for_locks(database.admin_url) == 1)
            assert not appending.done()
        assert await appending == 1


async def test_a_statement_the_database_refuses_fails_its_own_request_only(database: Database) -> None:
    async with open_store(database.app_url) as opened:
        sound, broken, labelled = note(), note(), Note.write(uuid4(), "text", label="x")
        broken.show_to(uuid4(), "ada@example.org")
        rows(database.admin_url, "ALTER TABLE stored_events ADD CHECK (topic <> 'note.shown_to')")
        outcomes = await asyncio.gather(
            *(opened.store.append([root], CALL, None) for root in (sound, broken, labelled)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [int, psycopg.errors.CheckViolation, int]
        assert sorted(outcome for outcome in outcomes if isinstance(outcome, int)) == [1, 2]


@pytest.fixture
def server() -> Iterator[PostgresForTests]:
    with own_postgres() as server:
        yield server


async def test_acknowledged_appends_survive_a_killed_server_and_the_store_recovers_by_itself(
    server: PostgresForTests,
) -> None:
    acknowledged: dict[int, Note] = {}

    async def client() -> None:
        while not done.is_set():
            written = note()
            try:
                acknowledged[await append(opened, written)] = written
            except Unavailable:
                await asyncio.sleep(0.05)

    done = asyncio.Event()
    async with open_store(server.app_url) as opened:
        clients = [asyncio.create_task(client()) for _ in range(16)]
        for _ in range(2):
            await asyncio.sleep(0.5)
            server.kill()
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.start)
        before = len(acknowledged)
        while len(acknowledged) < before + 100:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        done.set()
        await asyncio.gather(*clients)
        log = await opened.feed().read(0, 1_000_000)
    assert [event.position for event in log] == list(range(1, len(log) + 1))
    by_position = {event.position: event.stream_id for event in log}
    assert {position: written.id for position, written in acknowledged.items()}.items() <= by_position.items()
