"""Limits in Redis, which all processes share. While Redis does not answer, each process counts by itself.

A bucket is a key whose value is the time (Redis's own clock) at which it will be empty; then the key expires. The
names of keys are keyed hashes, because callers may be addresses. The buckets of a group have one hash tag (`{...}`), so
that a cluster keeps them in one slot.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import Any, TypeVar, cast

import structlog
from hiredis import pack_command
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, RedisError, ResponseError

from application.ports import Bucket, BucketState, Decision
from infra.coalesce import Coalescer
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

# KEYS: buckets. ARGV: 1 (take) or -1 (give back); then of each bucket the charge and its window, in microseconds.
# Returns 1, or 0 if a bucket is full (then none is charged); and of each bucket the time in which it will be empty. A
# clock that was set back makes no bucket fuller than full.
COUNT = """
local time, way, admitted, used = redis.call('TIME'), tonumber(ARGV[1]), 1, {}
local now = time[1] * 1000000 + time[2]
for n = 1, #KEYS do
    local charge, window = tonumber(ARGV[2 * n]), tonumber(ARGV[2 * n + 1])
    used[n] = math.min(math.max((tonumber(redis.call('GET', KEYS[n])) or now) - now, 0), window)
    if used[n] + way * charge > window then admitted = 0 end
end
if admitted == 1 then
    for n = 1, #KEYS do
        used[n] = math.max(used[n] + way * tonumber(ARGV[2 * n]), 0)
        if used[n] == 0 then
            redis.call('DEL', KEYS[n])
        else
            redis.call('SET', KEYS[n], string.format('%.0f', now + used[n]), 'PX', math.ceil(used[n] / 1000))
        end
    end
end
return {admitted, unpack(used)}
"""


T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """One call of the script. Two with the same content are different charges."""

    keys: tuple[str, ...]
    arguments: tuple[int, ...]

    def command(self, sha: str) -> tuple[Any, ...]:
        """Return the command of Redis."""
        return ("EVALSHA", sha, len(self.keys), *self.keys, *self.arguments)


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
        self._calls: Coalescer[_Call, list[int]] = Coalescer(self._run)
        self._connection: AbstractConnection | None = None
        self._is_silent = False
        self._ask_again_at = 0.0

    async def take(self, buckets: Sequence[Bucket]) -> Decision:
        """See `application.ports.Limits.take`."""
        answer = await self._ask(1, buckets)
        if answer is None:
            decision = await self._alone.take(buckets)
        else:
            states = [
                BucketState(bucket.quota, used, bucket.cost) for bucket, used in zip(buckets, answer[1:], strict=True)
            ]
            decision = Decision(bool(answer[0]), tuple(states))
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

    async def _ask(self, way: int, buckets: Sequence[Bucket]) -> list[int] | None:
        """Return the answer of Redis; None: it is silent."""
        sizes = [size for bucket in buckets for size in (bucket.cost * bucket.quota.step, bucket.quota.window)]
        call = _Call(
            tuple([self._name(bucket.quota.name, bucket.group, bucket.caller) for bucket in buckets]), (way, *sizes)
        )
        if not self._is_silent:
            return await self._calls.get(call)
        if monotonic() < self._ask_again_at:
            return None
        # One at a time, however long it takes: two would read each other's answers.
        self._ask_again_at = math.inf
        try:
            return (await self._try([call])).get(call)
        finally:
            self._ask_again_at = monotonic() + SILENCE_SECONDS

    async def _run(self, calls: list[_Call]) -> Mapping[_Call, list[int]]:
        """Run calls that have come together, unless those before them have met silence."""
        return {} if self._is_silent else await self._try(calls)

    async def _try(self, calls: list[_Call]) -> Mapping[_Call, list[int]]:
        try:
            answers = await _in_time(self._answers(calls), self._answer_seconds)
        except (RedisError, OSError, TimeoutError) as error:
            if not self._is_silent:
                log.warning("limits are counted by each process alone", error=type(error).__name__)
            self._is_silent, self._ask_again_at = True, monotonic() + SILENCE_SECONDS
            return {}
        if self._is_silent:
            log.info("limits are shared again")
        self._is_silent = False
        return answers

    async def _answers(self, calls: list[_Call]) -> dict[_Call, list[int]]:
        """Return the answers of one round trip; of two if Redis does not know the script: then it has run no call.

        Raises:
            RedisError: a call has failed.
        """
        try:
            return await self._send(calls)
        except NoScriptError:
            await self._redis.script_load(COUNT)
            return await self._send(calls)

    async def _send(self, calls: list[_Call]) -> dict[_Call, list[int]]:
        """Run the script on a connection of our own: to borrow one for each round trip doubles its cost.

        Raises:
            RedisError: the first error of a call.
        """
        if self._connection is None:
            pool: Any = self._redis.connection_pool
            self._connection = cast(AbstractConnection, await pool.get_connection())
        commands = [call.command(self._script.sha) for call in calls]
        # The connection packs with Python, which takes as long as all else here.
        await self._connection.send_packed_command(b"".join([pack_command(command) for command in commands]))
        async with asyncio.timeout(
            CLIENT_SECONDS
        ):  # a cancellation of `_in_time` may have come too late for the sending
            answers = [await _answer_of(self._connection) for _ in calls]
        if errors := [answer for answer in answers if isinstance(answer, ResponseError)]:
            raise errors[0]
        return dict(zip(calls, answers, strict=True))

    def _name_of(self, quota: str, group: str, caller: str) -> str:
        """Return the name of the key of a bucket."""
        own = "" if caller == group else self._hash(caller)
        return f"palimpsest:limits:{{{self._hash(group)}}}:{quota}:{own}"

    def _hash(self, text: str) -> str:
        return self._digest(b"limits", text.encode())[:DIGEST_BYTES].hex()


async def _answer_of(connection: AbstractConnection) -> Any:
    """Return the next answer, also if it is an error: those of other calls follow it. The caller bounds its time."""
    try:
        return await connection.read_response(timeout=math.inf)
    except ResponseError as error:
        return error


async def _in_time(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """Return the result of `work`.

    A busy event loop runs its timers late, and before it has read what has arrived meanwhile. With several short
    timers, only a server that does not answer takes too long.

    Raises:
        TimeoutError: it takes longer than that.
    """
    task = asyncio.create_task(work)
    try:
        for _look in range(LOOKS):
            done, _ = await asyncio.wait([task], timeout=seconds / LOOKS)
            if done:
                return task.result()
        raise TimeoutError
    finally:
        task.cancel()
