"""Keeps Redis in step with the tables: before the position moves on, every entry whose row an event touches is written
anew. A row that Redis does not have is left out: nobody has read it lately.

`infra/cache/read_cache.py` says what holds in Redis, and how it is read. The follower's position is kept in Redis
itself and moves in the same script as the entries, so two followers cannot undo each other's work.
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
from infra.cache.read_cache import MOST_BYTES, NUMBER, CacheKeys, number
from infra.postgres.read_store import PooledReadStore
from infra.projector.loop import pause_after
from infra.projector.position_tracker import PositionTracker
from infra.projector.read_ahead import BufferedFeed
from projections.kernel import CacheSpec, Fold, ReadModel

log = structlog.get_logger(__name__)

BATCH = 500
LEASE_MS = 30_000
"""Without a follower, entries count for this long."""
RENEW_SECONDS = 5.0
STANDBY_SECONDS = 2.0
NOTHING: list[UUID] = []

# KEYS: entries. Answers 1 for each that is there, 0 for each that is not.
HELD = """
local held = {}
for n = 1, #KEYS do held[n] = redis.call('EXISTS', KEYS[n]) end
return held
"""
# KEYS: state, entries. ARGV: the state as it must be, the state to come, its lease in ms, the entries' time to live in
# ms, as_of (8 bytes), payloads (empty: there is no such row, or there was no entry; an older one that has come since
# goes). Answers 1, or 0 if another follower came first.
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
    """Follows one cached read model, no further than its table has come."""

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
        self._naming = CacheKeys(model, cached)
        self._events = events
        self._positions = positions
        self._rows = rows
        self._redis = redis
        self._held = redis.register_script(HELD)
        self._move = redis.register_script(MOVE)
        self._state: bytes | None = None
        self._generation = 0
        self._renewed = 0.0

    async def run(self) -> None:
        """Follow until cancelled. Outages are waited out."""
        failures = 0
        while goes_on():
            try:
                await self.step()
                failures = 0
            except Exception as error:
                failures += 1
                self._state = None
                pause = pause_after(failures)
                if failures == 1 or not isinstance(error, RedisError):
                    log.warning("cache follower paused", projection=self._model.name, error=type(error).__name__)
                await asyncio.sleep(pause)

    async def step(self) -> None:
        """Wait for something to do, and do it."""
        if self._state is None:
            await self._begin()
            return
        position = self._position
        await self._positions.wait(self._model.name, position + 1, RENEW_SECONDS)
        goal = self._positions.known(self._model.name)
        events = await self._events.read(position, min(BATCH, goal - position)) if goal > position else []
        if events or monotonic() - self._renewed >= RENEW_SECONDS:
            await self._follow(events)

    @property
    def _position(self) -> int:
        assert self._state is not None
        return int.from_bytes(self._state[NUMBER:], "big")

    async def _begin(self) -> None:
        """Go on from Redis's state, or begin a new epoch where the table stands, with nothing in the cache."""
        _, [(as_of, self._generation, *_)] = await self._rows.records(self._naming.query, [NOTHING])
        state = cast(bytes | None, await self._redis.get(self._naming.state))
        if state is not None and int.from_bytes(state[NUMBER:], "big") <= as_of and self._follows(state):
            self._state = state
        else:
            await self._start(state or b"", as_of)

    def _follows(self, state: bytes) -> bool:
        """Whether the state's epoch is of the table's generation."""
        return state[:2] == self._generation.to_bytes(8, "big")[-2:]

    async def _start(self, state: bytes, as_of: int) -> None:
        epoch = self._generation.to_bytes(8, "big")[-2:] + os.urandom(NUMBER - 2)
        await self._script(state, epoch + number(as_of), as_of, {})

    async def _follow(self, events: Sequence[RecordedEvent]) -> None:
        assert self._state is not None
        staged = Fold(self._model).stage(events)
        names = {change.key[0]: self._naming.key(change.key[0]) for _, changes in staged for change in changes}
        columns, records = await self._rows.records(self._naming.query, [await self._kept(names)])
        as_of, generation = records[0][:2]
        if generation != self._generation or as_of < self._position:
            self._generation = generation
            await self._start(self._state, as_of)
            return
        found = self._naming.rows(columns, records)
        entries = {name: self._payload(found.get(key)) for key, name in names.items()}
        position = events[-1].position if events else self._position
        await self._script(self._state, self._state[:NUMBER] + number(position), as_of, entries)

    async def _kept(self, names: Mapping[UUID, str]) -> list[UUID]:
        """Those that Redis has an entry of."""
        if not names:
            return NOTHING
        held = await cast(Awaitable[list[int]], self._held([*names.values()]))
        return [key for key, is_held in zip(names, held, strict=True) if is_held]

    @staticmethod
    def _payload(row: object) -> bytes:
        payload = b"" if row is None else msgspec.msgpack.encode(row)
        return payload if len(payload) <= MOST_BYTES else b""

    async def _script(self, state: bytes, successor: bytes, as_of: int, entries: dict[str, bytes]) -> None:
        arguments: list[bytes | int] = [state, successor, LEASE_MS, self._naming.ttl, number(as_of), *entries.values()]
        moved = await cast(Awaitable[int], self._move([self._naming.state, *entries], arguments))
        self._renewed = monotonic()
        if moved:
            self._state = successor
        else:
            # Another follower is at work, or the state is gone.
            self._state = None
            await asyncio.sleep(STANDBY_SECONDS)
