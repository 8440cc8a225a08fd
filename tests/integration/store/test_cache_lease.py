"""Leases of caches: an erasure reaches every process before it is answered, also one that hangs."""

from collections.abc import AsyncIterator
from time import monotonic
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from infra.bootstrap.lifetime import started
from infra.postgres.cache_lease import LEASE_SECONDS, RENEW, CacheLease, until_dropped
from infra.postgres.connect import AsyncConnection, connect_async
from tests.support.servers import Database
from tests.support.stores import Opened, open_store, rows
from tests.support.waiting import until

KEY = UUID(int=1)


class Cache:
    """A cache that holds one key."""

    def __init__(self) -> None:
        self.dropped: list[UUID | None] = []


@pytest.fixture
async def opened(database: Database) -> AsyncIterator[Opened]:
    async with open_store(database.app_url) as opened:
        yield opened


def lease_of(database: Database, cache: Cache) -> CacheLease:
    lease = CacheLease(database.app_url)
    lease.register("data_keys", cache.dropped.append)
    return lease


def invalidate(database: Database, cache: str = "data_keys") -> None:
    rows(database.admin_url, "SELECT invalidate(%s, %s)", cache, [KEY])


async def test_every_process_drops_what_is_invalidated_within_moments(database: Database, opened: Opened) -> None:
    caches = [Cache(), Cache()]
    leases = [lease_of(database, cache) for cache in caches]
    async with started(leases[0]), started(leases[1]):
        await until(lambda: all(lease.holds() for lease in leases))
        invalidate(database)
        begun = monotonic()
        assert await until_dropped(opened.database, LEASE_SECONDS)
        assert monotonic() - begun < LEASE_SECONDS / 2
        assert [cache.dropped for cache in caches] == [[None, KEY]] * 2


async def test_a_cache_is_swept_at_each_renewal(database: Database) -> None:
    sweeps: list[None] = []
    lease = CacheLease(database.app_url)
    lease.register("data_keys", Cache().dropped.append, lambda: sweeps.append(None))
    async with started(lease):
        await until(lambda: len(sweeps) >= 2)


async def test_a_cache_is_not_used_before_there_is_a_lease(database: Database) -> None:
    lease = lease_of(database, Cache())
    assert not lease.holds()
    async with started(lease):
        await until(lease.holds)
    assert not lease.holds()


async def test_a_process_that_hangs_is_waited_for_until_its_lease_ends(database: Database, opened: Opened) -> None:
    rows(
        database.admin_url,
        "INSERT INTO cache_leases VALUES (%s, 0, clock_timestamp() + interval '1 second')",
        uuid4(),
    )
    invalidate(database)
    assert not await until_dropped(opened.database, 0.1)
    assert await until_dropped(opened.database, LEASE_SECONDS)


async def test_a_process_that_was_cut_off_drops_everything(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache()
    lease = lease_of(database, cache)
    async with started(lease):
        await until(lease.holds)
        monkeypatch.setattr(lease, "_ends_at", 0.0)
        await until(lease.holds)
    assert cache.dropped == [None, None]


class Clock:
    """The steady clock of the process."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("infra.postgres.cache_lease.monotonic", clock)
    return clock


class SlowConnection:
    """A connection on which time passes, and a key is invalidated, between the first renewal and its reply."""

    def __init__(self, connection: AsyncConnection, database: Database, clock: Clock, seconds: float) -> None:
        self._connection = connection
        self._database = database
        self._clock = clock
        self._seconds = seconds
        self.queries: list[str] = []

    async def execute(self, query: str, parameters: Any = None) -> Any:
        reply = await self._connection.execute(query, parameters)
        if query == RENEW and RENEW not in self.queries:
            invalidate(self._database)
            self._clock.now += self._seconds
        self.queries.append(query)
        return reply

    async def renew(self, lease: CacheLease) -> None:
        await lease._renew(cast(AsyncConnection, self))


@pytest.mark.parametrize("earlier_renewals", [0, 1])
async def test_h7_what_a_renewal_cannot_see_is_dropped_before_the_lease_holds_if_it_may_have_ended(
    database: Database, clock: Clock, earlier_renewals: int
) -> None:
    """Without a lease in the database, no erasure waits for this process."""
    cache = Cache()
    lease = lease_of(database, cache)
    async with await connect_async(database.app_url) as connection:
        for _ in range(earlier_renewals):
            await lease._renew(connection)
            clock.now += 2
        slow = SlowConnection(connection, database, clock, seconds=2)
        await slow.renew(lease)
    assert lease.holds()
    assert cache.dropped == [None, KEY]
    # The last one says that the key was dropped.
    assert slow.queries[-3:] == [RENEW] * 3


async def test_a_lease_that_holds_is_renewed_by_one_statement(database: Database, clock: Clock) -> None:
    lease = lease_of(database, Cache())
    async with await connect_async(database.app_url) as connection:
        await lease._renew(connection)
        slow = SlowConnection(connection, database, clock, seconds=2)
        await slow.renew(lease)
    assert slow.queries == [RENEW]
    clock.now += LEASE_SECONDS - 2
    assert not lease.holds()


async def test_h7_a_process_that_hung_while_it_renewed_its_lease_drops_everything(
    database: Database, clock: Clock
) -> None:
    """What was invalidated meanwhile may be deleted already."""
    cache = Cache()
    lease = lease_of(database, cache)
    async with await connect_async(database.app_url) as connection:
        await lease._renew(connection)
        await SlowConnection(connection, database, clock, seconds=600).renew(lease)
    assert lease.holds()
    assert cache.dropped == [None, None]


async def test_another_cache_is_left_alone(database: Database, opened: Opened) -> None:
    cache = Cache()
    lease = lease_of(database, cache)
    async with started(lease):
        await until(lease.holds)
        invalidate(database, "sessions")
        assert await until_dropped(opened.database, LEASE_SECONDS)
    assert cache.dropped == [None]


async def test_without_any_process_there_is_nothing_to_wait_for(database: Database, opened: Opened) -> None:
    invalidate(database)
    assert await until_dropped(opened.database, 0)
