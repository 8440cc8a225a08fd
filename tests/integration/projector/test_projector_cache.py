"""Redis answers only what is known to be new enough, is kept in step, and may go away at any time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest
import redis as blocking_redis
from psycopg_pool import AsyncConnectionPool

from infra.cache.read_cache import CachedReadStore, lookups, open_redis
from infra.cache.updater import CacheUpdater
from infra.local.servers.redis import EmbeddedRedis as RedisServer
from infra.postgres.database import Database as database_of
from infra.postgres.read_store import PooledReadStore
from infra.projector.position_tracker import PositionTracker
from infra.projector.quarantine import retry
from infra.projector.read_ahead import BufferedFeed
from infra.projector.rebuild.rebuild import rebuild
from tests.support.notes import BY_ID, Notes, NoteView, note
from tests.support.projecting import MemoryFeed, Running, news, projecting
from tests.support.servers import Database, redis_admin
from tests.support.stores import rows
from tests.support.waiting import MAX_WAIT_SECONDS, until

STATE = "palimpsest:note:1"
ONE = UUID(int=1)


@dataclass(frozen=True, slots=True)
class CachedNotes:
    """A projector, an updater and a reader."""

    running: Running
    feed: MemoryFeed
    rows: CachedReadStore
    stored: PooledReadStore
    redis: "blocking_redis.Redis"
    url: str

    async def get(self, after: int = 0) -> NoteView | None:
        """Note 1, as it is read."""
        return await self.rows.after(after).by_key(NoteView, BY_ID, ONE)

    async def followed(self, position: int) -> None:
        """Wait until the updater has reached the position."""
        await until(lambda: self.state() >= position)

    def state(self) -> int:
        """The updater's position; -1 without one."""
        state = self.redis.get(STATE)
        assert state is None or isinstance(state, bytes)
        return -1 if state is None else int.from_bytes(state[8:], "big")

    def entry(self) -> bytes | None:
        """What Redis has of note 1."""
        entry = self.redis.get(f"{STATE}:{ONE}")
        assert entry is None or isinstance(entry, bytes)
        return entry


@asynccontextmanager
async def updater(url: str, feed: MemoryFeed, stored: PooledReadStore, redis_url: str) -> AsyncIterator[None]:
    """An updater at work."""
    positions = PositionTracker(url)
    await positions.start()
    redis = open_redis(redis_url, timeout=2)
    model = Notes()
    recent = BufferedFeed(feed)
    following = CacheUpdater(model, model.cached, recent, positions, stored, redis)
    task = asyncio.create_task(following.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await recent.stop()
        await redis.aclose()
        await positions.stop()


@asynccontextmanager
async def cached_notes(database: Database, redis_url: str, *, update: bool = True) -> AsyncIterator[CachedNotes]:
    """A projector, an updater and a reader, with note 1 in the log."""
    feed = MemoryFeed(news(note(1)))
    url = database.app_url
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            AsyncConnectionPool(url, min_size=1, max_size=4, kwargs={"autocommit": True}, open=False)
        )
        stored = PooledReadStore(database_of(pool))
        cached = CachedReadStore(stored, open_redis(redis_url, timeout=2), [Notes()])
        stack.push_async_callback(cached.close)
        running = await stack.enter_async_context(projecting([Notes()], feed, url))
        await running.reached()
        direct = stack.enter_context(blocking_redis.Redis.from_url(redis_admin(redis_url)))
        if update:
            await stack.enter_async_context(updater(url, feed, stored, redis_url))
            await until(lambda: direct.get(STATE) is not None)
        yield CachedNotes(running, feed, cached, stored, direct, url)


def extend(feed: MemoryFeed, line: str) -> int:
    """Give note 1 one more line. Answers the position."""
    feed.add(news(note(1, line))[1:])
    return len(feed.events)


def count(outcome: str) -> float:
    """How many gets ended so."""
    value: float = lookups.labels("notes", outcome)._value.get()
    return value


async def test_what_was_read_once_comes_from_redis(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url) as home:
        misses, hits = count("miss"), count("hit")
        first = await home.get()
        await until(lambda: home.entry() is not None)
        rows(database.admin_url, "UPDATE read.notes SET lines = 99")
        assert await home.get() == first == NoteView(ONE, "note 1", 1)
        assert (count("miss") - misses, count("hit") - hits) == (1, 1)
        ttl = home.redis.pttl(f"{STATE}:{ONE}")
        assert isinstance(ttl, int)
        assert 290_000 < ttl <= 300_000


async def test_what_was_read_once_stays_in_step_without_being_read_again(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url) as home:
        await home.get()
        await until(lambda: home.entry() is not None)
        await home.followed(extend(home.feed, "a"))
        hits = count("hit")
        assert await home.get() == NoteView(ONE, "note 1\na", 2)
        assert count("hit") - hits == 1


async def test_a_row_that_was_not_read_is_not_cached(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url) as home:
        await home.followed(extend(home.feed, "a"))
        assert home.entry() is None


async def test_an_old_row_filled_in_while_the_updater_works_does_not_outlive_its_move(
    database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cached_notes(database, redis_url) as home:
        [cache] = home.rows._caches.values()
        kept = CacheUpdater._cached

        async def then_filled_in(self: CacheUpdater, names: Mapping[UUID, str]) -> list[UUID]:
            found = await kept(self, names)
            await cache._store({ONE: NoteView(ONE, "old", 1)}, 1)
            assert home.entry() is not None
            return found

        monkeypatch.setattr(CacheUpdater, "_cached", then_filled_in)
        await home.followed(extend(home.feed, "a"))
        assert home.entry() is None
        assert await home.get() == NoteView(ONE, "note 1\na", 2)


async def test_a_dropped_row_is_dropped_from_redis(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url) as home:
        await home.get()
        await until(lambda: home.entry() is not None)
        gone = note(1)
        gone.relabel("gone")
        home.feed.add(news(gone)[1:])
        await home.followed(2)
        assert home.entry() is None
        assert await home.get() is None


async def test_an_entry_older_than_the_token_is_not_used(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url, update=False) as home:
        async with updater(home.url, home.feed, home.stored, redis_url):
            await until(lambda: home.state() == 1)
            await home.get()
            await until(lambda: home.entry() is not None)
        position = extend(home.feed, "a")
        await home.running.reached()
        assert await home.get() == NoteView(ONE, "note 1", 1), "no updater has changed Redis"
        assert await home.get(after=position) == NoteView(ONE, "note 1\na", 2)


async def test_an_untouched_entry_is_good_for_later_tokens_too(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url) as home:
        await home.get()
        await until(lambda: home.entry() is not None)
        home.feed.add(news(note(2, "x", "y")))
        await home.followed(4)
        hits = count("hit")
        assert await home.get(after=4) == NoteView(ONE, "note 1", 1)
        assert count("hit") - hits == 1


async def test_without_an_updater_nothing_is_cached(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url, update=False) as home:
        await home.get()
        await home.rows.close()
        assert home.entry() is None


async def test_what_was_read_before_the_updater_moved_on_is_not_filled_in(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url) as home:
        position = extend(home.feed, "a")
        await home.followed(position)
        home.redis.delete(f"{STATE}:{ONE}")
        [cache] = home.rows._caches.values()
        await cache._store({ONE: NoteView(ONE, "old", 1)}, position - 1)
        assert home.entry() is None
        await cache._store({ONE: NoteView(ONE, "new", 1)}, position)
        assert home.entry() is not None


async def test_a_newer_entry_is_not_overwritten_by_an_older_one(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url) as home:
        [cache] = home.rows._caches.values()
        await cache._store({ONE: NoteView(ONE, "new", 1)}, 9)
        await cache._store({ONE: NoteView(ONE, "old", 1)}, 8)
        assert await home.get() == NoteView(ONE, "new", 1)


async def test_a_flushed_redis_fills_again(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url) as home:
        await home.get()
        await until(lambda: home.entry() is not None)
        home.redis.flushall()
        position = extend(home.feed, "a")
        await home.running.reached()
        assert await home.get(after=position) == NoteView(ONE, "note 1\na", 2)
        await home.followed(position)
        await home.get()
        await until(lambda: home.entry() is not None)
        hits = count("hit")
        assert await home.get(after=position) == NoteView(ONE, "note 1\na", 2)
        assert count("hit") - hits == 1


async def test_entries_of_an_epoch_whose_state_was_lost_do_not_count(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url) as home:
        await home.get()
        await until(lambda: home.entry() is not None)
        stale = home.entry()
        home.redis.delete(STATE)
        position = extend(home.feed, "a")
        await home.running.reached()
        await home.followed(position)
        assert stale is not None
        home.redis.set(f"{STATE}:{ONE}", stale)
        assert await home.get() == NoteView(ONE, "note 1\na", 2)


@pytest.mark.parametrize("begin", ["lost state", "rebuild"])
async def test_h7_an_epoch_begins_without_the_entries_of_earlier_ones(
    database: Database, redis_url: str, begin: str
) -> None:
    """They may hold what was erased since, and no event is applied to them any more."""
    async with cached_notes(database, redis_url) as home:
        await home.get()
        await until(lambda: home.entry() is not None)
        home.redis.set(f"palimpsest:note:0:{ONE}", "of an earlier version")
        home.redis.set("palimpsest:other:1:2", "of another read model")
        if begin == "rebuild":
            await rebuild(Notes(), home.feed, home.url)
        else:
            home.redis.delete(STATE)
        home.feed.add(news(note(2)))
        await home.followed(2)
        assert home.redis.keys("palimpsest:*:*:*") == [b"palimpsest:other:1:2"]


async def test_h7_what_redis_holds_is_known_by_the_state_only(database: Database, own_redis: RedisServer) -> None:
    async with cached_notes(database, own_redis.url) as home:
        assert await home.rows.has_forgotten(1)
        assert not await home.rows.has_forgotten(2)
        home.redis.delete(STATE)
        assert not await home.rows.has_forgotten(1)
        assert await home.rows.has_reached("notes", 1)
        own_redis.kill()
        assert not await home.rows.has_forgotten(1)
        assert await home.rows.has_reached("notes", 1)


async def test_an_updater_that_starts_again_goes_on_from_its_position(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url, update=False) as home:
        async with updater(home.url, home.feed, home.stored, redis_url):
            await until(lambda: home.state() == 1)
            await home.get()
            await until(lambda: home.entry() is not None)
        epoch = home.redis.getrange(STATE, 0, 7)
        position = extend(home.feed, "a")
        await home.running.reached()
        async with updater(home.url, home.feed, home.stored, redis_url):
            await home.followed(position)
            assert await home.get() == NoteView(ONE, "note 1\na", 2)
        assert home.redis.getrange(STATE, 0, 7) == epoch


async def test_two_updaters_do_not_undo_each_other(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url) as home, updater(home.url, home.feed, home.stored, redis_url):
        for n in range(30):
            position = extend(home.feed, str(n))
            if n % 3 == 0:
                await home.running.reached()
                found = await home.get(after=position)
                assert found is not None
                assert found.lines == n + 2
        await home.followed(position)
        assert await home.get() == NoteView(ONE, "\n".join(["note 1", *map(str, range(30))]), 31)


async def test_a_released_stream_starts_a_new_epoch(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url) as home:
        await home.followed(extend(home.feed, "!raise"))
        await home.get()
        await until(lambda: home.entry() is not None)
        mended = MemoryFeed(news(note(1, "mended")))
        assert await retry(Notes(), ONE, mended, home.url) is None
        home.feed.add(news(note(2)))
        await home.followed(3)
        assert await home.get() == NoteView(ONE, "note 1\nmended", 2)


async def test_a_rebuild_starts_a_new_epoch(database: Database, redis_url: str) -> None:
    async with cached_notes(database, redis_url) as home:
        rows(database.admin_url, "UPDATE read.notes SET text = 'wrong'")
        assert await home.get() == NoteView(ONE, "wrong", 1)
        await until(lambda: home.entry() is not None)
        await rebuild(Notes(), home.feed, home.url)
        home.feed.add(news(note(2)))
        await home.followed(2)
        assert await home.get() == NoteView(ONE, "note 1", 1)


async def test_reads_go_on_without_redis_and_come_back_to_it(database: Database, own_redis: RedisServer) -> None:
    async with cached_notes(database, own_redis.url) as home:
        await home.get()
        own_redis.kill()
        errors = count("error")
        started = asyncio.get_running_loop().time()
        found = await asyncio.gather(*(home.get() for _ in range(100)))
        assert asyncio.get_running_loop().time() - started < 1
        assert set(found) == {NoteView(ONE, "note 1", 1)}
        assert count("error") - errors == 100
        position = extend(home.feed, "a")
        await home.running.reached()
        assert await home.get(after=position) == NoteView(ONE, "note 1\na", 2)
        own_redis.start()
        hits = count("hit")
        async with asyncio.timeout(MAX_WAIT_SECONDS):
            while count("hit") == hits:
                assert await home.get(after=position) == NoteView(ONE, "note 1\na", 2)
                await asyncio.sleep(0.05)
