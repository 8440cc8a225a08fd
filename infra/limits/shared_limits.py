"""Limits in Redis, which all processes share. While Redis does not answer, each process counts by itself.

A bucket is a key whose value is the time (Redis's own clock) at which it will be empty; then the key expires. The
names of keys are keyed hashes, because callers may be addresses. The buckets of a group have one hash tag (`{...}`), so
that a cluster keeps them in one slot.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from time import monotonic
from typing import Any, TypeVar, cast

import structlog
from hiredis import pack_command
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, RedisError

from application.ports import Bucket, BucketState, Decision
from infra.coalesce import Batcher
from infra.limits.local_limits import LocalLimits

ANSWER_SECONDS = 0.1
"""What a request waits for Redis at most."""
SILENCE_SECONDS = 1.0
"""After an error, one call in this time asks Redis again; all others do not wait for it."""
LOOKS = 4
"""How often it is looked for an answer in that time."""
CLIENT_SECONDS = 1.0
"""The limit of each step of the client, larger than that of an answer."""
DIGEST_BYTES = 16
MAX_KNOWN_NAMES = 20_000
"""Names of keys that are remembered, about 5 MiB: two keyed hashes take as long as the rest of a charge."""

counted = Counter("palimpsest_limit_decisions", "Requests whose buckets were counted", ["where", "outcome"])
decisions = {
    (shared, admitted): counted.labels("redis" if shared else "process", "admitted" if admitted else "refused")
    for shared in (True, False)
    for admitted in (True, False)
}

log = structlog.get_logger(__name__)

# KEYS: the buckets of all calls, one call after the other. ARGV, of each call: the number of its buckets; then of each
# bucket the charge (less than 0: give back) and its window, in microseconds. Returns of each call: 1, or 0 if a bucket
# is full (then none is charged); and of each bucket the time in which it will be empty. A clock that was set back makes
# no bucket fuller than full.
COUNT = """
local time, key, at, answers = redis.call('TIME'), 0, 1, {}
local now = time[1] * 1000000 + time[2]
while at < #ARGV do
    local size, answer = tonumber(ARGV[at]), {1}
    for n = 1, size do
        local charge, window = tonumber(ARGV[at + 2 * n - 1]), tonumber(ARGV[at + 2 * n])
        local used = math.min(math.max((tonumber(redis.call('GET', KEYS[key + n])) or now) - now, 0), window)
        if used + charge > window then answer[1] = 0 end
        answer[n + 1] = used
    end
    for n = 1, answer[1] * size do
        local used = math.max(answer[n + 1] + tonumber(ARGV[at + 2 * n - 1]), 0)
        if used == 0 then
            redis.call('DEL', KEYS[key + n])
        else
            redis.call('SET', KEYS[key + n], string.format('%.0f', now + used), 'PX', math.ceil(used / 1000))
        end
        answer[n + 1] = used
    end
    answers[#answers + 1], key, at = answer, key + size, at + 2 * size + 1
end
return answers
"""

ScriptCall = tuple[Sequence[str], Sequence[int]]
"""The keys of buckets that are charged together, and the arguments of the script for them."""
ScriptAnswer = Sequence[int] | None
"""What the script answers to a call; None: Redis is silent."""


T = TypeVar("T")


class SharedLimits:
    """Implements `application.ports.Limits`. Calls that come while Redis is asked share the next round trip.

    `digest`: a keyed hash. `alone`: counts while Redis is silent; meanwhile one call a second asks it again.
    """

    def __init__(
        self,
        redis: "Redis",
        digest: Callable[..., bytes],
        alone: LocalLimits,
        *,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._redis = redis
        self._digest = digest
        self._alone = alone
        self._answer_seconds = answer_seconds
        self._script = redis.register_script(COUNT)
        self._name = lru_cache(MAX_KNOWN_NAMES)(self._name_of)
        self._calls: Batcher[ScriptCall, ScriptAnswer] = Batcher(self._run)
        self._connection: AbstractConnection | None = None
        self._is_silent = False
        self._ask_again_at = 0.0

    async def take(self, buckets: Sequence[Bucket]) -> Decision:
        """See `application.ports.Limits.take`."""
        answer = await self._ask(1, buckets)
        if answer is None:
            decision = await self._alone.take(buckets)
        else:
            admitted, *used = answer
            states = [BucketState(bucket.quota, each, bucket.cost) for bucket, each in zip(buckets, used, strict=True)]
            decision = Decision(admitted == 1, tuple(states))
        decisions[answer is not None, decision.admitted].inc()
        return decision

    async def give_back(self, buckets: Sequence[Bucket]) -> None:
        """See `application.ports.Limits.give_back`."""
        if await self._ask(-1, buckets) is None:
            await self._alone.give_back(buckets)

    async def start(self) -> None:
        """Connect, so that the first requests need not wait for it. Does nothing if Redis does not answer."""
        with suppress(RedisError, OSError):
            await self._redis.script_load(COUNT)

    async def close(self) -> None:
        """Close the connections."""
        if self._connection is not None:
            await self._redis.connection_pool.release(self._connection)
        await self._redis.aclose()

    async def _ask(self, way: int, buckets: Sequence[Bucket]) -> ScriptAnswer:
        keys, arguments = [], [len(buckets)]
        for bucket in buckets:
            quota = bucket.quota
            keys.append(self._name(quota.name, bucket.group, bucket.caller))
            arguments += (way * bucket.cost * quota.step, quota.window)
        if not self._is_silent:
            return await self._calls.run((keys, arguments))
        if monotonic() < self._ask_again_at:
            return None
        # One at a time, however long it takes: two would read each other's answers.
        self._ask_again_at = math.inf
        try:
            return (await self._try([(keys, arguments)]))[0]
        finally:
            self._ask_again_at = monotonic() + SILENCE_SECONDS

    async def _run(self, calls: Sequence[ScriptCall]) -> Sequence[ScriptAnswer]:
        """Run calls that have come together, unless those before them have met silence."""
        return [None] * len(calls) if self._is_silent else await self._try(calls)

    async def _try(self, calls: Sequence[ScriptCall]) -> Sequence[ScriptAnswer]:
        try:
            answers = await _in_time(self._answers(calls), self._answer_seconds)
        except (RedisError, OSError, TimeoutError) as error:
            if not self._is_silent:
                log.warning("limits are counted by each process alone", error=type(error).__name__)
            self._is_silent, self._ask_again_at = True, monotonic() + SILENCE_SECONDS
            return [None] * len(calls)
        if self._is_silent:
            log.info("limits are shared again")
        self._is_silent = False
        return answers

    async def _answers(self, calls: Sequence[ScriptCall]) -> Sequence[ScriptAnswer]:
        """Return the answers of one round trip; of two if Redis does not know the script: then it has run no call.

        Raises:
            RedisError: the script has failed.
        """
        try:
            return await self._send(calls)
        except NoScriptError:
            await self._redis.script_load(COUNT)
            return await self._send(calls)

    async def _send(self, calls: Sequence[ScriptCall]) -> Sequence[ScriptAnswer]:
        """Run the script on a connection of our own: to borrow one for each round trip doubles its cost.

        Raises:
            RedisError: the script has failed.
        """
        keys = [key for keys, _ in calls for key in keys]
        arguments = [argument for _, arguments in calls for argument in arguments]
        # The connection packs with Python, which takes as long as all else here.
        command = pack_command(cast(Any, ("EVALSHA", self._script.sha, len(keys), *keys, *arguments)))
        # A cancellation of `_in_time` may come too late for a step of the client.
        async with asyncio.timeout(CLIENT_SECONDS):
            connection = self._connection or await self._connect()
            await connection.send_packed_command(command)
            return cast(Sequence[ScriptAnswer], await connection.read_response(timeout=math.inf))

    async def _connect(self) -> AbstractConnection:
        pool: Any = self._redis.connection_pool
        connection = cast(AbstractConnection, await pool.get_connection())
        # The caller bounds its time: with a timeout of its own, the client makes a task of each sending.
        connection.socket_timeout = None
        self._connection = connection
        return connection

    def _name_of(self, quota: str, group: str, caller: str) -> str:
        """Return the name of the key of a bucket."""
        own = "" if caller == group else self._hash(caller)
        return f"palimpsest:limits:{{{self._hash(group)}}}:{quota}:{own}"

    def _hash(self, text: str) -> str:
        return self._digest(b"limits", text.encode())[:DIGEST_BYTES].hex()


async def _in_time(work: Awaitable[T], seconds: float) -> T:
    """Return the result of `work`.

    A busy event loop runs its timers late, and before it has read what has arrived meanwhile. With several short
    timers, only a server that does not answer takes too long.

    Raises:
        TimeoutError: it takes longer than that.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def look(left: int) -> None:
        nonlocal timer
        if left:
            timer = loop.call_later(seconds / LOOKS, look, left - 1)
        else:
            limit.reschedule(loop.time())

    timer = loop.call_later(seconds / LOOKS, look, LOOKS - 1)
    try:
        async with asyncio.timeout(None) as limit:
            return await work
    finally:
        timer.cancel()
