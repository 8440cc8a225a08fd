"""Read cache in Redis: answers a get by key only if the entry is known to be new enough.

For each cached read model Redis holds a state (`epoch`, `position`) and entries, each with its epoch and the position
at which it was current. Before the updater (`infra/cache/updater.py`) moves the state's position, it rewrites every
entry whose row an event changes. So an entry of the current epoch is current at the state's position too, if that is
the later one. When the state is lost (flushed, evicted, or no updater has renewed it), its epoch is lost, and no entry
is valid. The updater deletes them before the next epoch begins: what they hold may have been erased since. After a miss
the reader stores the row it has read, but never over a newer state or entry, and not without a state.

When Redis is slow or away, reads go to PostgreSQL, and nothing fails.
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

COOLDOWN_SECONDS = 2.0
"""Time without requests to Redis after an error."""
READ_SECONDS = 0.15
MAX_ENTRY_BYTES = 1_000_000
"""A larger entry is not cached: it would delay other requests."""
MAX_FILLS = 64
"""Rows being stored after a miss, at once."""
NUMBER_BYTES = 8

lookups = Counter("palimpsest_cache_lookups", "Gets by key of cached read models", ["read_model", "outcome"])

# KEYS: state, entries. ARGV: as_of (8 bytes), time to live in ms, payloads. Returns the number of entries written.
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
    """A client whose every step takes at most `timeout` seconds and that never retries by itself."""
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
    """Redis keys of one cached read model, and the format of its entries."""

    def __init__(self, model: ReadModel, cached: CacheSpec) -> None:
        self.model = model.name
        self.cached = cached
        self.state = f"palimpsest:{cached.label}:{model.version}"
        self.all_entries = f"palimpsest:{cached.label}:*:*"
        """The pattern of the entries, those of other versions too."""
        self.ttl = int(cached.ttl.total_seconds() * 1_000)
        # Rows and the position at which they are current, in one snapshot; without rows, one row of NULLs.
        self.query = (
            "SELECT checkpoint.position AS as_of, checkpoint.generation, answer.* "  # noqa: S608
            f"FROM (SELECT position, generation FROM projections WHERE name = '{self.model}') AS checkpoint "
            f"LEFT JOIN ({cached.query}) AS answer ON true"
        )
        self.decode = msgspec.msgpack.Decoder(cached.kind).decode

    def key(self, key: UUID) -> str:
        """The Redis key of the row with this key."""
        return f"{self.state}:{key}"

    def rows(self, columns: Sequence[str], records: Sequence[tuple[Any, ...]]) -> dict[UUID, Any]:
        """The rows that `query` returned, by key."""
        kind, names = self.cached.kind, columns[2:]
        return {
            record[2]: kind(**dict(zip(names, record[2:], strict=True))) for record in records if record[2] is not None
        }


def pack_number(value: int) -> bytes:
    """A number in the scripts' format: eight bytes, big-endian."""
    return value.to_bytes(NUMBER_BYTES, "big")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A cached row, and a position at which it is current."""

    value: Any
    as_of: int


class CircuitBreaker:
    """Stops requests to Redis for `COOLDOWN_SECONDS` after an error."""

    def __init__(self) -> None:
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether requests to Redis are stopped now."""
        return monotonic() < self._open_until

    def trip(self) -> None:
        """Open the breaker after an error."""
        self._open_until = monotonic() + COOLDOWN_SECONDS


class _ModelCache:
    """Cache of one read model: concurrent gets share one MGET, and their misses share one query."""

    def __init__(self, keys: CacheKeys, rows: PooledReadStore, redis: "Redis", breaker: CircuitBreaker) -> None:
        self.read_model = keys.model
        self._keys = keys
        self._rows = rows
        self._redis = redis
        self._breaker = breaker
        self._fill = redis.register_script(FILL)
        self._fills: set[asyncio.Task[None]] = set()
        self._cached = Coalescer(self._find_cached)
        self._stored = Coalescer(self._find_stored)
        self._hit, self._miss, self._error = (
            lookups.labels(keys.model, outcome) for outcome in ("hit", "miss", "error")
        )

    async def get(self, key: UUID, after: int) -> Any:
        """The row, current at `after` or later; None: it does not exist."""
        entry = None if self._breaker.is_open else await self._cached.get(key)
        if entry is not None and entry.as_of >= after:
            self._hit.inc()
            return entry.value
        (self._error if self._breaker.is_open else self._miss).inc()
        return await self._stored.get(key)

    async def has_reached(self, position: int, *, otherwise: bool) -> bool:
        """Return whether no entry is older than `position`; `otherwise` without a state or an answer from Redis."""
        try:
            state = cast(bytes | None, await self._redis.get(self._keys.state))
        except (RedisError, OSError, TimeoutError):
            self._breaker.trip()
            return otherwise
        return otherwise if state is None else int.from_bytes(state[NUMBER_BYTES:], "big") >= position

    async def drain(self) -> None:
        """Wait until the rows read after misses are stored."""
        await asyncio.gather(*self._fills)

    async def _find_cached(self, keys: list[UUID]) -> Mapping[UUID, CacheEntry]:
        names = [self._keys.state, *map(self._keys.key, keys)]
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
        if value[:NUMBER_BYTES] != state[:NUMBER_BYTES]:
            return None
        try:
            row = self._keys.decode(memoryview(value)[2 * NUMBER_BYTES :])
        except msgspec.MsgspecError:
            return None
        return CacheEntry(row, int.from_bytes(max(value[NUMBER_BYTES : 2 * NUMBER_BYTES], state[NUMBER_BYTES:]), "big"))

    async def _find_stored(self, keys: list[UUID]) -> Mapping[UUID, Any]:
        columns, records = await self._rows.records(self._keys.query, [keys])
        found = self._keys.rows(columns, records)
        if found and not self._breaker.is_open and len(self._fills) < MAX_FILLS:
            # The reader does not wait for this.
            task = asyncio.create_task(self._store(found, records[0][0]))
            self._fills.add(task)
            task.add_done_callback(self._fills.discard)
        return found

    async def _store(self, found: Mapping[UUID, Any], as_of: int) -> None:
        payloads = {self._keys.key(key): msgspec.msgpack.encode(row) for key, row in found.items()}
        small = {key: payload for key, payload in payloads.items() if len(payload) <= MAX_ENTRY_BYTES}
        try:
            await cast(
                Awaitable[int],
                self._fill([self._keys.state, *small], [pack_number(as_of), self._keys.ttl, *small.values()]),
            )
        except (RedisError, OSError, TimeoutError):
            self._breaker.trip()


class CachedReadStore:
    """Implements `application.ports.ReadStore`: gets by key of cached models go through Redis, all others to `rows`."""

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
        """The same store, without answers from Redis that are older than `position`."""
        return _ReadStoreAfter(self, position)

    async def all(self, kind: type[T], query: str, params: Params) -> list[T]:
        """As `PooledReadStore.all`."""
        return await self._rows.all(kind, query, params)

    async def one(self, kind: type[T], query: str, params: Params) -> T | None:
        """As `PooledReadStore.one`."""
        return await self._rows.one(kind, query, params)

    async def by_key(self, kind: type[T], query: str, key: UUID, after: int = 0) -> T | None:
        """The row of a key, from Redis if its entry is current at `after` or later."""
        cache = self._caches.get(query)
        if cache is None:
            return await self._rows.by_key(kind, query, key)
        found: T | None = await cache.get(key, after)
        return found

    async def has_reached(self, read_model: str, position: int) -> bool:
        """Return whether the cache serves no entry of the read model that is older than `position`.

        Without an answer from Redis it serves none.
        """
        caches = [cache for cache in self._caches.values() if cache.read_model == read_model]
        return all([await cache.has_reached(position, otherwise=True) for cache in caches])

    async def has_forgotten(self, position: int) -> bool:
        """Return whether Redis is known to hold no entry, served or not, that is older than `position`.

        Without a state it may hold entries of the epoch before, without an answer any.
        """
        return all([await cache.has_reached(position, otherwise=False) for cache in self._caches.values()])

    async def close(self) -> None:
        """Wait until the rows read after misses are stored, then close the connections to Redis."""
        for cache in self._caches.values():
            await cache.drain()
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
