"""What is revoked is revoked in every process before the answer: also while one of them or Redis is frozen or dead.

Each test sends requests all the time, to all processes. None that began after the answer to the revocation succeeds.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import redis

from infra.local.servers.process import free_port
from infra.postgres.cache_lease import LEASE_SECONDS
from tests.support.revocations import REVOCATIONS, TAKEN_ACCESS
from tests.support.revoking import Servers, revoke_under_load, scene_on
from tests.support.roles import RoleProcess, environment, frozen, until_ready
from tests.support.servers import RedisForTests, redis_admin
from tests.support.stores import rows
from tests.support.waiting import until

ON_THE_WAY_SECONDS = 1.0
"""What a busy machine takes for the request itself, beside the wait for a process that does not answer."""


@contextmanager
def killed(role: RoleProcess, url: str) -> Iterator[None]:
    """Kill the API process that serves at an address; at the end start it again, and wait until it is ready."""
    role.kill()
    try:
        yield
    finally:
        role.start()
        until_ready(url)


@contextmanager
def flushed(cache: RedisForTests) -> Iterator[None]:
    """Empty Redis, and again at the end."""
    with redis.Redis.from_url(redis_admin(cache.url)) as admin:
        admin.flushall()
        yield
        admin.flushall()


@pytest.mark.parametrize("name", REVOCATIONS)
async def test_no_request_succeeds_that_began_after_the_answer(servers: Servers, name: str) -> None:
    async with scene_on(servers) as scene:
        await revoke_under_load(scene, REVOCATIONS[name])


@pytest.mark.parametrize("name", ["session revoked", "password changed", "locked down"])
async def test_no_request_to_a_process_that_was_frozen_meanwhile_succeeds(servers: Servers, name: str) -> None:
    async with scene_on(servers) as scene:
        seconds = await revoke_under_load(scene, REVOCATIONS[name], meanwhile=frozen(servers.apis[1].pid))
    assert seconds <= LEASE_SECONDS + ON_THE_WAY_SECONDS
    until_ready(servers.urls[1])


@pytest.mark.parametrize("name", TAKEN_ACCESS)
async def test_a_frozen_process_hardly_delays_the_end_of_access(servers: Servers, name: str) -> None:
    async with scene_on(servers) as scene:
        seconds = await revoke_under_load(scene, REVOCATIONS[name], meanwhile=frozen(servers.apis[1].pid))
    assert seconds <= LEASE_SECONDS + ON_THE_WAY_SECONDS
    until_ready(servers.urls[1])


@pytest.mark.parametrize("name", ["session revoked", "password changed", "share revoked"])
async def test_a_killed_process_delays_a_revocation_by_3_seconds_at_most(servers: Servers, name: str) -> None:
    async with scene_on(servers) as scene:
        url = servers.urls[1]
        seconds = await revoke_under_load(scene, REVOCATIONS[name], meanwhile=killed(servers.apis[1], url), mortal=url)
    assert seconds <= LEASE_SECONDS + ON_THE_WAY_SECONDS


@pytest.mark.parametrize("name", ["session revoked", "deletion of the owner requested", "share revoked"])
async def test_a_redis_that_is_frozen_meanwhile_lets_no_request_succeed(servers: Servers, name: str) -> None:
    async with scene_on(servers) as scene:
        await revoke_under_load(scene, REVOCATIONS[name], meanwhile=frozen(servers.redis.pid))


@pytest.mark.parametrize("name", ["role changed", "password changed"])
async def test_a_redis_that_is_flushed_meanwhile_lets_no_request_succeed(servers: Servers, name: str) -> None:
    async with scene_on(servers) as scene:
        await revoke_under_load(scene, REVOCATIONS[name], meanwhile=flushed(servers.redis))


async def test_asvs_10_4_5_a_process_that_dies_after_a_rotation_costs_no_session(
    servers: Servers, tmp_path: Path
) -> None:
    """The answer of a refresh is lost with its process. The same token gets the same next one from another process."""
    port = free_port()
    settings = environment(servers.database, servers.redis.url, port, tmp_path)
    dying, url = RoleProcess("api", settings, tmp_path, ["tests.support.lost_answers"]), f"http://127.0.0.1:{port}"
    async with scene_on(servers) as scene, httpx2.AsyncClient(timeout=30) as client:
        dying.start()
        try:
            until_ready(url)
            old = {"refresh_token": scene.bob.refresh_token}
            lost = asyncio.create_task(client.post(f"{url}/v1/auth/refresh", json=old))
            rotated = "SELECT FROM sessions WHERE id = %s AND rotated_at IS NOT NULL"
            await until(lambda: rows(servers.database.admin_url, rotated, scene.bob.session_id))
        finally:
            dying.kill()
        with pytest.raises(httpx2.TransportError):
            await lost
        answers = [await client.post(f"{scene.url}/v1/auth/refresh", json=old) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        first, second = (answer.json()["refresh_token"] for answer in answers)
        assert first == second != scene.bob.refresh_token
        following = await client.post(f"{scene.url}/v1/auth/refresh", json={"refresh_token": first})
        assert following.status_code == 200


async def test_a_flushed_and_then_dead_redis_lets_no_one_in_again(servers: Servers) -> None:
    async with scene_on(servers) as scene:
        with flushed(servers.redis):
            pass
        for change in (None, servers.redis.kill, servers.redis.start):
            if change is not None:
                change()
                await scene.bob.log_in(scene.url)
            for name in ("share link revoked", "session revoked"):
                await revoke_under_load(scene, REVOCATIONS[name])
