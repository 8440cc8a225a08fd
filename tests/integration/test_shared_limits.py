"""Limits in Redis: over several processes, while it is frozen or gone, and what its keys show."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from application.ports import MICROSECONDS, Bucket, Quota
from infra.bootstrap.projections import prepare_tables
from infra.cache.read_cache import open_redis
from infra.limits import shared_limits
from infra.limits.local_limits import LocalLimits
from infra.limits.shared_limits import COUNT, SharedLimits
from infra.local.servers.process import free_ports
from infra.sealing.blind_index import BlindIndex
from projections.kernel import read_models
from tests.support.roles import RoleProcess, environment, frozen, until_ready
from tests.support.servers import Database, RedisForTests, redis_admin
from tests.support.stores import BLIND_KEY
from tests.support.waiting import MAX_WAIT_SECONDS, PAUSE_SECONDS

FIVE = Quota("five", 5, 86_400, 3)
CALLER, GROUP = "192.0.2.7", "192.0.2.0/24"


@asynccontextmanager
async def shared(url: str, answer_seconds: float = 0.1) -> AsyncIterator[SharedLimits]:
    client = open_redis(url, timeout=5)
    limits = SharedLimits(client, BlindIndex(BLIND_KEY), LocalLimits(alone=True), answer_seconds=answer_seconds)
    await limits.start()
    try:
        yield limits
    finally:
        await limits.close()


def here(quota: Quota = FIVE, caller: str = CALLER) -> Bucket:
    return Bucket(quota, caller, GROUP)


async def test_50_at_once_in_two_processes_pass_no_more_than_the_limit(
    database: Database, redis_url: str, tmp_path: Path
) -> None:
    await prepare_tables(database.part_url("projector"), read_models())
    small = {"PALIMPSEST_LIMIT_SCALE": "1", "PALIMPSEST_LIMIT_SIGN_IN": "5/86400"}
    ports = free_ports(2)
    with ExitStack() as stack:
        for port in ports:
            folder = tmp_path / str(port)
            folder.mkdir()
            role = RoleProcess("api", {**environment(database, redis_url, port, folder), **small}, folder)
            stack.callback(role.stop)
            role.start()
        for port in ports:
            until_ready(f"http://127.0.0.1:{port}")
        with ThreadPoolExecutor(100) as threads:
            answers = threads.map(_log_in, [*ports] * 50, range(100))
            assert sorted(answers) == [401] * 5 + [429] * 95


def _log_in(port: int, number: int) -> int:
    login = {"email": f"{number}@example.org", "password": "a wrong password, of some length"}
    return httpx2.post(f"http://127.0.0.1:{port}/v1/auth/login", json=login, timeout=60).status_code


async def test_while_redis_is_frozen_each_process_counts_alone_and_only_a_few_calls_wait(
    own_redis: RedisForTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    send = SharedLimits._send

    async def noted(self: SharedLimits, calls: list[Any]) -> Any:
        asked.append(calls)
        return await send(self, calls)

    monkeypatch.setattr(SharedLimits, "_send", noted)
    monkeypatch.setattr(shared_limits, "SILENCE_SECONDS", 3_600.0)
    async with shared(own_redis.url) as limits:
        await limits.take([here()])
        with frozen(own_redis.pid):
            first = await asyncio.gather(*[limits.take([here()]) for _ in range(50)])
            later = [await limits.take([here(caller=str(number))]) for number in range(200)]
    assert sum(decision.admitted for decision in first) == FIVE.count_alone
    assert all(decision.admitted for decision in later)
    assert len(asked) == 2


@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_when_redis_is_back_limits_are_shared_again(
    own_redis: RedisForTests, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_limits, "SILENCE_SECONDS", 0.05)
    async with shared(own_redis.url, 1.0) as limits:
        for _ in range(5):
            await limits.take([here()])
        if way == "killed":
            own_redis.kill()
            assert (await limits.take([here()])).states[0].quota == FIVE.alone()
            own_redis.start()
        else:
            with frozen(own_redis.pid):
                assert (await limits.take([here()])).states[0].quota == FIVE.alone()
        async with asyncio.timeout(MAX_WAIT_SECONDS):
            await until_shared(limits)


async def until_shared(limits: SharedLimits) -> None:
    while True:
        if (await limits.take([here(caller="198.51.100.1")])).states[0].quota == FIVE:
            return
        await asyncio.sleep(PAUSE_SECONDS)


async def test_charges_that_come_together_share_one_call_of_the_script(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    send = SharedLimits._send

    async def noted(self: SharedLimits, calls: Any) -> Any:
        asked.append(len(calls))
        return await send(self, calls)

    monkeypatch.setattr(SharedLimits, "_send", noted)
    async with shared(redis_url, 5.0) as limits:
        callers = [str(number % 3) for number in range(21)]
        found = await asyncio.gather(*[limits.take([here(caller=caller)]) for caller in callers])
    assert asked == [21]
    assert [decision.admitted for decision in found] == [True] * 15 + [False] * 6


async def test_a_redis_that_has_forgotten_the_script_gets_it_again(redis_url: str) -> None:
    async with shared(redis_url, 5.0) as limits:
        await limits.take([here()])
        with redis.Redis.from_url(redis_admin(redis_url)) as admin:
            admin.script_flush()
        assert (await limits.take([here()])).states[0].remaining == 3


async def test_keys_show_no_address_have_one_slot_and_expire(redis_url: str) -> None:
    day = Quota("day", 5, 86_400, 5)
    async with shared(redis_url, 5.0) as limits:
        await limits.take([here(), here(day), Bucket(day, GROUP, GROUP)])
    with redis.Redis.from_url(redis_admin(redis_url)) as admin:
        keys = [key.decode() for key in admin.scan_iter()]
        assert all(0 < admin.pttl(key) <= 86_400_000 / 5 for key in keys)
        values = admin.mget(keys)
    assert len(keys) == 3
    assert len({key_slot(key.encode()) for key in keys}) == 1
    assert not any("192.0.2" in text for text in [*keys, *map(str, values)])


moves = st.tuples(st.lists(st.sampled_from([1, -1, 1, 1]), min_size=1, max_size=3), st.integers(0, 3 * MICROSECONDS))


@given(st.integers(1, 5), st.integers(1, 5), st.lists(moves, max_size=20))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_script_decides_as_a_process_alone_does(
    redis_url: str, count: int, other: int, moves: list[tuple[list[int], int]]
) -> None:
    """The same moves at the same times, up to three in a call. Only here the script gets its time from the caller."""
    script = COUNT.replace("redis.call('TIME')", "{math.floor(ARGV[#ARGV] / 1000000), ARGV[#ARGV] % 1000000}")
    buckets = [Bucket(Quota("a", count, 4, count), "ada", "ada"), Bucket(Quota("b", other, 7, other), "ada", "ada")]
    now = 1_800_000_000 * MICROSECONDS
    local = LocalLimits(clock=lambda: now)
    with redis.Redis.from_url(redis_admin(redis_url)) as client:
        client.delete("a", "b")
        for ways, pause in moves:
            now += pause
            sizes = [
                (2, *[size for each in buckets for size in (way * each.quota.step, each.quota.window)]) for way in ways
            ]
            found = client.eval(script, 2 * len(ways), *["a", "b"] * len(ways), *chain.from_iterable(sizes), now)
            for way, answer in zip(ways, found, strict=True):
                if way == -1:
                    asyncio.run(local.give_back(buckets))
                    continue
                decision = asyncio.run(local.take(buckets))
                assert answer == [int(decision.admitted), *(state.used for state in decision.states)]
