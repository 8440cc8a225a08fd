"""Cache updater: keeps the entries in Redis in step with a read model's table.

Before the position in Redis moves, every entry whose row an event changes is rewritten. A row without an entry is not
added: it was not read lately. `infra/cache/read_cache.py` describes the data in Redis and how it is read. The position
is in Redis itself and moves in the same script as the entries, so two updaters cannot undo each other's work.
"""

import asyncio
import os
from collections.abc import Awaitable, Mapping, Sequence
from time import monotonic
from typing import cast
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from application.ports import RecordedEvent
from infra.asyncio_compat import goes_on
from infra.cache.read_cache import MAX_ENTRY_BYTES, NUMBER_BYTES, CacheKeys, pack_number
from infra.postgres.read_store import PooledReadStore
from infra.projector.pacing import back_off
from infra.projector.position_tracker import PositionTracker
from infra.projector.read_ahead import BufferedFeed
from projections.kernel import CacheSpec, Fold, ReadModel

log = structlog.get_logger(__name__)

BATCH = 500
LEASE_MS = 30_000
"""Without an updater, entries stay valid for this long."""
RENEW_SECONDS = 5.0
STANDBY_SECONDS = 2.0
SCAN_KEYS = 1_000
NO_KEYS: list[UUID] = []

# KEYS: entries. Returns 1 for each that exists, 0 for each that does not.
EXISTING = """
local existing = {}
for n = 1, #KEYS do existing[n] = redis.call('EXISTS', KEYS[n]) end
return existing
"""
# KEYS: state, entries. ARGV: the expected state, the new state, its lease in ms, the entries' time to live in ms, as_of
# (8 bytes), payloads (empty: no row, or no entry before; an older entry written since is deleted). Returns 1, or 0 if
# the state is not the expected one: another updater was first.
MOVE = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
local epoch = string.sub(ARGV[2], 1, 8)
for n = 2, #KEYS do
    local head = redis.call('GETRANGE', KEYS[n], 0, 15)
    if #head < 16 or string.sub(head, 1, 8) ~= epoch
            or struct.unpack('>I8', head, 9) < struct.unpack('>I8', ARGV[5]) then
        if ARGV[n + 4] == '' then
            redis.call('DEL', KEYS[n])
        else
            redis.call('SET', KEYS[n], epoch .. ARGV[5] .. ARGV[n + 4], 'PX', ARGV[4])
        end
    end
end
return 1
"""


class CacheUpdater:
    """Updates the entries of one cached read model, up to its table's position."""

    def __init__(
        self,
        model: ReadModel,
        cached: CacheSpec,
        events: BufferedFeed,
        positions: PositionTracker,
        rows: PooledReadStore,
        redis: "Redis",
    ) -> None:
        self._model = model
        self._keys = CacheKeys(model, cached)
        self._events = events
        self._positions = positions
        self._rows = rows
        self._redis = redis
        self._existing = redis.register_script(EXISTING)
        self._move = redis.register_script(MOVE)
        self._state: bytes | None = None
        self._generation = 0
        self._renewed = 0.0

    async def run(self) -> None:
        """Update until cancelled. After an outage it backs off and goes on."""
        failures = 0
        while goes_on():
            try:
                await self.step()
                failures = 0
            except Exception as error:
                failures += 1
                self._state = None
                pause = back_off(failures)
                if failures == 1 or not isinstance(error, RedisError):
                    log.warning("cache updater paused", projection=self._model.name, error=type(error).__name__)
                await asyncio.sleep(pause)

    async def step(self) -> None:
        """Wait for events, and update the entries that they change."""
        if self._state is None:
            await self._load_state()
            return
        position = self._position
        await self._positions.wait(self._model.name, position + 1, RENEW_SECONDS)
        goal = self._positions.known(self._model.name)
        events = await self._events.read(position, min(BATCH, goal - position)) if goal > position else []
        if events or monotonic() - self._renewed >= RENEW_SECONDS:
            await self._update(events)

    @property
    def _position(self) -> int:
        assert self._state is not None
        return int.from_bytes(self._state[NUMBER_BYTES:], "big")

    async def _load_state(self) -> None:
        """Go on from the state in Redis, or start a new epoch at the table's position."""
        _, [(as_of, self._generation, *_)] = await self._rows.records(self._keys.query, [NO_KEYS])
        state = cast(bytes | None, await self._redis.get(self._keys.state))
        if state is not None and int.from_bytes(state[NUMBER_BYTES:], "big") <= as_of and self._is_of_generation(state):
            self._state = state
        else:
            await self._start_epoch(as_of)

    def _is_of_generation(self, state: bytes) -> bool:
        """Whether the state's epoch belongs to the table's generation."""
        return state[:2] == self._generation.to_bytes(8, "big")[-2:]

    async def _start_epoch(self, as_of: int) -> None:
        """Start an epoch with an empty cache. Without a state no entry is added meanwhile."""
        await self._redis.delete(self._keys.state)
        await self._delete_entries()
        epoch = self._generation.to_bytes(8, "big")[-2:] + os.urandom(NUMBER_BYTES - 2)
        await self._script(b"", epoch + pack_number(as_of), as_of, {})

    async def _delete_entries(self) -> None:
        cursor = None
        while cursor != 0:
            cursor, names = await self._redis.scan(cursor or 0, match=self._keys.all_entries, count=SCAN_KEYS)
            if names:
                await self._redis.delete(*names)

    async def _update(self, events: Sequence[RecordedEvent]) -> None:
        assert self._state is not None
        staged = Fold(self._model).stage(events)
        names = {change.key[0]: self._keys.key(change.key[0]) for _, changes in staged for change in changes}
        columns, records = await self._rows.records(self._keys.query, [await self._cached(names)])
        as_of, generation = records[0][:2]
        if generation != self._generation or as_of < self._position:
            self._generation = generation
            await self._start_epoch(as_of)
            return
        found = self._keys.rows(columns, records)
        entries = {name: self._payload(found.get(key)) for key, name in names.items()}
        position = events[-1].position if events else self._position
        await self._script(self._state, self._state[:NUMBER_BYTES] + pack_number(position), as_of, entries)

    async def _cached(self, names: Mapping[UUID, str]) -> list[UUID]:
        """The keys that have an entry in Redis."""
        if not names:
            return NO_KEYS
        existing = await cast(Awaitable[list[int]], self._existing([*names.values()]))
        return [key for key, exists in zip(names, existing, strict=True) if exists]

    @staticmethod
    def _payload(row: object) -> bytes:
        payload = b"" if row is None else msgspec.msgpack.encode(row)
        return payload if len(payload) <= MAX_ENTRY_BYTES else b""

    async def _script(self, state: bytes, successor: bytes, as_of: int, entries: dict[str, bytes]) -> None:
        arguments: list[bytes | int] = [
            state,
            successor,
            LEASE_MS,
            self._keys.ttl,
            pack_number(as_of),
            *entries.values(),
        ]
        moved = await cast(Awaitable[int], self._move([self._keys.state, *entries], arguments))
        self._renewed = monotonic()
        if moved:
            self._state = successor
        else:
            # Another updater is at work, or the state is gone.
            self._state = None
            await asyncio.sleep(STANDBY_SECONDS)
