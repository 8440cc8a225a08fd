"""The feed from the store: in order, without gaps, awake at once."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import psycopg
import pytest

from application.ports import RecordedEvent, Undecodable
from infra.postgres.arrays import register
from infra.store.append_batch import APPEND, AppendRequest, NewEvent, encode_parameters
from infra.store.event_store import keys_reader
from infra.store.feed import HASH_SLOTS, PostgresEventFeed
from tests.support.note import Note
from tests.support.servers import Database
from tests.support.stored import encoded
from tests.support.stores import CALL, disconnect, keyring_of, open_store, rows


def raw_request() -> AppendRequest:
    """An append for a transaction that the test controls."""
    root = Note.write(uuid4(), "by hand")
    [event] = root.pending_events
    assert isinstance(event, Note.Written)
    return AppendRequest({root.id.int: 0}, [NewEvent(root.id, 1, "note.written", encoded(event, _Unkeyed()))])


class _Unkeyed(dict):  # type: ignore[type-arg]
    def __missing__(self, subject_id: object) -> "_Unkeyed":
        return self

    def seal(self, plain: bytes, context: bytes) -> bytes:
        return bytes(32)


async def append_in_open_transaction(url: str, seconds: float, commit: bool) -> None:
    """Append, then keep the transaction open for a while before it ends one way or the other."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        register(connection.adapters)
        await connection.execute(APPEND, encode_parameters([raw_request()]))
        await asyncio.sleep(seconds)
        await (connection.commit() if commit else connection.rollback())


async def follow(feed: PostgresEventFeed, seen: list[RecordedEvent], until: asyncio.Event) -> None:
    """Read in a loop, as a projection does, until the end is reached after `until`."""
    while True:
        last = until.is_set()
        batch = await feed.read(seen[-1].position if seen else 0, 7)
        seen += batch
        if last and not batch:
            return
        await feed.wait(seen[-1].position if seen else 0, 0.01)


async def test_nothing_is_skipped_while_transactions_stay_open(database: Database) -> None:
    async with open_store(database.app_url) as one, open_store(database.app_url) as other:
        feed = one.feed()
        await feed.start()
        seen: list[RecordedEvent] = []
        done = asyncio.Event()
        follower = asyncio.create_task(follow(feed, seen, done))

        async def write(opened: object, n: int) -> None:
            for _ in range(10):
                await opened.store.append([Note.write(uuid4(), "text")], CALL, None)  # type: ignore[attr-defined]
                await asyncio.sleep(0.002 * n)

        await asyncio.gather(
            *(write(opened, n) for opened in (one, other) for n in range(4)),
            *(append_in_open_transaction(database.app_url, 0.02 * n, commit=n % 3 != 0) for n in range(9)),
        )
        done.set()
        await follower
        await feed.stop()
    assert [event.position for event in seen] == list(range(1, 80 + 6 + 1))


async def test_a_waiting_reader_is_woken_by_an_append(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.store.feed.POLL_SECONDS", 300)
    async with open_store(database.app_url) as opened:
        feed = opened.feed()
        await feed.start()
        await asyncio.sleep(0.2)
        waiting = asyncio.create_task(feed.wait(0, 300))
        await asyncio.sleep(0.05)
        await opened.store.append([Note.write(uuid4(), "text")], CALL, None)
        async with asyncio.timeout(30):
            await waiting
        await feed.stop()


async def test_m3_what_is_appended_between_a_read_and_its_wait_wakes_the_reader(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.store.feed.POLL_SECONDS", 300)
    async with open_store(database.app_url) as opened:
        feed = opened.feed()
        await feed.start()
        await feed.wait(0, 300)
        assert await feed.read(0, 10) == []
        await opened.store.append([Note.write(uuid4(), "text")], CALL, None)
        await asyncio.sleep(0.2)
        async with asyncio.timeout(30):
            await feed.wait(0, 300)
        await feed.stop()


async def test_a_reader_that_hears_nothing_polls(database: Database) -> None:
    async with open_store(database.app_url) as opened:
        feed = opened.feed()
        await opened.store.append([Note.write(uuid4(), "text")], CALL, None)
        await asyncio.wait_for(feed.wait(0, 30), 5)
        assert len(await feed.read(0, 10)) == 1


@pytest.mark.parametrize("damage", ["topic = 'no.such_topic'", "state = 'garbage'"])
async def test_an_unreadable_event_is_handed_on_as_such(database: Database, damage: str) -> None:
    async with open_store(database.app_url) as opened:
        broken, sound = Note.write(uuid4(), "broken"), Note.write(uuid4(), "sound")
        await opened.store.append([broken, sound], CALL, None)
        rows(database.admin_url, f"UPDATE stored_events SET {damage} WHERE originator_id = %s", broken.id)
        first, second = await opened.feed().read(0, 10)
    assert isinstance(first.data, Undecodable)
    assert isinstance(second.data, Note.Written)


async def test_a_key_that_does_not_open_affects_its_subject_only(database: Database) -> None:
    """H6: one damaged data key stopped every projector."""
    async with open_store(database.app_url) as opened:
        broken, sound = Note.write(uuid4(), "broken"), Note.write(uuid4(), "sound")
        await opened.store.append([broken, sound], CALL, None)
        rows(database.admin_url, "UPDATE data_keys SET wrapped = 'garbage' WHERE subject_id = %s", broken.id)
        feed = PostgresEventFeed(opened.database, keyring_of(keys_reader(opened.database)), database.app_url)
        first, second = await feed.read(0, 10)
    assert first.data == Undecodable("Damage")
    assert isinstance(second.data, Note.Written)


async def test_one_stream_can_be_read_alone(database: Database) -> None:
    async with open_store(database.app_url) as opened:
        one, other = Note.write(uuid4(), "one"), Note.write(uuid4(), "other")
        one.extend("more")
        await opened.store.append([one, other], CALL, None)
        one.extend("still more")
        await opened.store.append([one], CALL, None)
        events = await opened.feed().stream(one.id, 2, 4)
    assert [(event.position, event.version) for event in events] == [(2, 2), (4, 3)]


async def test_h3_pages_are_bounded_by_bytes_and_hold_one_event_at_least(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(database.app_url) as opened:
        note = Note.write(uuid4(), "text")
        for length in (10, 10, 5_000, 10, 10, 10, 5_000, 5_000):
            note.extend("x" * length)
        await opened.store.append([note], CALL, None)
        feed = opened.feed()
        sizes = [event.size for event in await feed.read(0, 100)]
        monkeypatch.setattr("infra.store.feed.PAGE_BYTES", 1_000)

        async def read_on(after: int) -> Sequence[RecordedEvent]:
            return await feed.stream(note.id, after + 1, len(sizes))

        for read in (feed.read, feed.shard(range(HASH_SLOTS), len(sizes)).read, read_on):
            pages: list[list[int]] = []
            while page := await read(pages[-1][-1] if pages else 0, *([] if read is read_on else [100])):
                pages.append([event.position for event in page])
            assert [position for page in pages for position in page] == list(range(1, len(sizes) + 1))
            assert len(pages) == 3
            assert all(sum(sizes[position - 1] for position in page[:-1]) < 1_000 for page in pages)


async def test_a_feed_whose_connections_are_killed_goes_on(database: Database) -> None:
    async with open_store(database.app_url) as opened:
        feed = opened.feed()
        await feed.start()
        seen: list[RecordedEvent] = []
        done = asyncio.Event()
        follower = asyncio.create_task(follow(feed, seen, done))
        for n in range(30):
            if n % 10 == 5:
                disconnect(database.admin_url, "palimpsest_tests")
            await opened.store.append([Note.write(uuid4(), "text")], CALL, None)
        done.set()
        await follower
        await feed.stop()
    assert [event.position for event in seen] == list(range(1, 31))
