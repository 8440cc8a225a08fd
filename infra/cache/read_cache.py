"""Read models through Redis: an answer only ever comes from it when it is known to be new enough.

For each cached read model Redis holds a state, `epoch` and `position`, and entries, each with the epoch it belongs to
and the position it is right as of. The follower (`infra/cache/updater.py`) writes anew every entry whose row an
event touches before it moves the position on; so an entry of the current epoch is right as of the state's position too,
if that is the later one. When the state is gone (flushed, evicted, or no follower has renewed it), so is the epoch, and
no entry counts. A reader that misses fills in what it read, but never something older than the state or the entry.

Redis being slow or gone makes reads go to PostgreSQL, and nothing fails.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast
from uuid import UUID

import msgspec
from prometheus_client import Counter
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from application.ports import Params, ReadStore, T
from infra.coalesce import Coalescer
from infra.postgres.read_store import PooledReadStore
from projections.kernel import CacheSpec, ReadModel

REST_SECONDS = 2.0
"""How long Redis is left alone after an error."""
READ_SECONDS = 0.15
MOST_BYTES = 1_000_000
"""A larger entry is not kept: it would hold up others."""
MOST_FILLS = 64
NUMBER = 8

lookups = Counter("palimpsest_cache_lookups", "Gets by key of cached read models", ["read_model", "outcome"])

# KEYS: state, entries. ARGV: as_of (8 bytes), time to live in ms, payloads. Answers how many entries were written.
FILL = """
local state = redis.call('GET', KEYS[1])
if not state or struct.unpack('>I8', ARGV[1]) < struct.unpack('>I8', state, 9) then return 0 end
local epoch, written = string.sub(state, 1, 8), 0
for n = 2, #KEYS do
    local head = redis.call('GETRANGE', KEYS[n], 0, 15)
    if #head < 16 or string.sub(head, 1, 8) ~= epoch
            or struct.unpack('>I8', head, 9) < struct.unpack('>I8', ARGV[1]) then
        redis.call('SET', KEYS[n], epoch .. ARGV[1] .. ARGV[n + 1], 'PX', ARGV[2])
        written = written + 1
    end
end
return written
"""


def open_redis(url: str, *, timeout: float = READ_SECONDS, connections: int = 8) -> "Redis":
    """A client whose every step is bounded by `timeout` seconds and that never retries by itself."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


class CacheKeys:
    """The keys of one cached read model, and the form of its entries."""

    def __init__(self, model: ReadModel, cached: CacheSpec) -> None:
        self.model = model.name
        self.cached = cached
        self.state = f"palimpsest:{cached.label}:{model.version}"
        self.ttl = int(cached.ttl.total_seconds() * 1_000)
        # Rows and the position they are right as of, in one snapshot; one row of NULLs where there are none.
        self.query = (
            "SELECT standing.position AS as_of, standing.generation, answer.* "  # noqa: S608
            f"FROM (SELECT position, generation FROM projections WHERE name = '{self.model}') AS standing "
            f"LEFT JOIN ({cached.query}) AS answer ON true"
        )
        self.decode = msgspec.msgpack.Decoder(cached.kind).decode

    def key(self, key: UUID) -> str:
        """The entry's key."""
        return f"{self.state}:{key}"

    def rows(self, columns: Sequence[str], records: Sequence[tuple[Any, ...]]) -> dict[UUID, Any]:
        """What `query` found, by key."""
        kind, names = self.cached.kind, columns[2:]
        return {
            record[2]: kind(**dict(zip(names, record[2:], strict=True))) for record in records if record[2] is not None
        }


def number(value: int) -> bytes:
    """A number as the scripts read it."""
    return value.to_bytes(NUMBER, "big")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """What Redis had: the row, and the position it is right as of at least."""

    value: Any
    as_of: int


class CircuitBreaker:
    """Leaves Redis alone for a while after an error."""

    def __init__(self) -> None:
        self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether Redis is left alone just now."""
        return monotonic() < self._rests_until

    def trip(self) -> None:
        """There was an error."""
        self._rests_until = monotonic() + REST_SECONDS


class _ModelCache:
    """One cached read model: gets in flight at once share one MGET, and those that miss one query."""

    def __init__(self, naming: CacheKeys, rows: PooledReadStore, redis: "Redis", breaker: CircuitBreaker) -> None:
        self.read_model = naming.model
        self._naming = naming
        self._rows = rows
        self._redis = redis
        self._breaker = breaker
        self._fill = redis.register_script(FILL)
        self._fills: set[asyncio.Task[None]] = set()
        self._kept = Coalescer(self._find_kept)
        self._stored = Coalescer(self._find_stored)
        self._hit, self._miss, self._error = (
            lookups.labels(naming.model, outcome) for outcome in ("hit", "miss", "error")
        )

    async def get(self, key: UUID, after: int) -> Any:
        """The row; None: there is none."""
        entry = None if self._breaker.rests else await self._kept.get(key)
        if entry is not None and entry.as_of >= after:
            self._hit.inc()
            return entry.value
        (self._error if self._breaker.rests else self._miss).inc()
        return await self._stored.get(key)

    async def has_reached(self, position: int) -> bool:
        """Return whether no entry that is served is older than `position`."""
        try:
            state = cast(bytes | None, await self._redis.get(self._naming.state))
        except (RedisError, OSError, TimeoutError):
            self._breaker.trip()
            return True
        return state is None or int.from_bytes(state[NUMBER:], "big") >= position

    async def settle(self) -> None:
        """Wait for what is being filled in."""
        await asyncio.gather(*self._fills)

    async def _find_kept(self, keys: list[UUID]) -> Mapping[UUID, CacheEntry]:
        names = [self._naming.state, *map(self._naming.key, keys)]
        try:
            state, *values = cast(list[bytes | None], await self._redis.mget(names))
        except (RedisError, OSError, TimeoutError):
            self._breaker.trip()
            return {}
        if state is None:
            return {}
        found = zip(keys, values, strict=True)
        return {key: entry for key, value in found if value and (entry := self._entry(state, value)) is not None}

    def _entry(self, state: bytes, value: bytes) -> CacheEntry | None:
        if value[:NUMBER] != state[:NUMBER]:
            return None
        try:
            row = self._naming.decode(memoryview(value)[2 * NUMBER :])
        except msgspec.MsgspecError:
            return None
        return CacheEntry(row, int.from_bytes(max(value[NUMBER : 2 * NUMBER], state[NUMBER:]), "big"))

    async def _find_stored(self, keys: list[UUID]) -> Mapping[UUID, Any]:
        columns, records = await self._rows.records(self._naming.query, [keys])
        found = self._naming.rows(columns, records)
        if found and not self._breaker.rests and len(self._fills) < MOST_FILLS:
            # Nobody waits for this.
            task = asyncio.create_task(self._fill_in(found, records[0][0]))
            self._fills.add(task)
            task.add_done_callback(self._fills.discard)
        return found

    async def _fill_in(self, found: Mapping[UUID, Any], as_of: int) -> None:
        payloads = {self._naming.key(key): msgspec.msgpack.encode(row) for key, row in found.items()}
        small = {key: payload for key, payload in payloads.items() if len(payload) <= MOST_BYTES}
        try:
            await cast(
                Awaitable[int],
                self._fill([self._naming.state, *small], [number(as_of), self._naming.ttl, *small.values()]),
            )
        except (RedisError, OSError, TimeoutError):
            self._breaker.trip()


class CachedReadStore:
    """Implements `application.ports.ReadStore`: gets by key through Redis where a model is cached, else `rows`."""

    def __init__(self, rows: PooledReadStore, redis: "Redis", models: Sequence[ReadModel]) -> None:
        self._rows = rows
        self._redis = redis
        breaker = CircuitBreaker()
        self._caches = {
            model.cached.query: _ModelCache(CacheKeys(model, model.cached), rows, redis, breaker)
            for model in models
            if model.cached is not None
        }

    def after(self, position: int) -> ReadStore:
        """The same, with no answer from Redis that is older than `position`."""
        return _ReadStoreAfter(self, position)

    async def all(self, kind: type[T], query: str, params: Params) -> list[T]:
        """As `PooledReadStore.all`."""
        return await self._rows.all(kind, query, params)

    async def one(self, kind: type[T], query: str, params: Params) -> T | None:
        """As `PooledReadStore.one`."""
        return await self._rows.one(kind, query, params)

    async def by_key(self, kind: type[T], query: str, key: UUID, after: int = 0) -> T | None:
        """The row of a key, from Redis if it is there and right as of `after`."""
        cache = self._caches.get(query)
        if cache is None:
            return await self._rows.by_key(kind, query, key)
        found: T | None = await cache.get(key, after)
        return found

    async def has_reached(self, read_model: str, position: int) -> bool:
        """Return whether the cache serves no entry of the read model that is older than `position`."""
        caches = [cache for cache in self._caches.values() if cache.read_model == read_model]
        return all([await cache.has_reached(position) for cache in caches])

    async def close(self) -> None:
        """Let what is being filled in come to an end, then close the connections to Redis."""
        for cache in self._caches.values():
            await cache.settle()
        await self._redis.aclose()


@dataclass(frozen=True, slots=True)
class _ReadStoreAfter:
    _rows: CachedReadStore
    _position: int

    def after(self, position: int) -> ReadStore:
        return _ReadStoreAfter(self._rows, max(position, self._position))

    async def all(self, kind: type[T], query: str, params: Params) -> list[T]:
        return await self._rows.all(kind, query, params)

    async def one(self, kind: type[T], query: str, params: Params) -> T | None:
        return await self._rows.one(kind, query, params)

    async def by_key(self, kind: type[T], query: str, key: UUID) -> T | None:
        return await self._rows.by_key(kind, query, key, self._position)
