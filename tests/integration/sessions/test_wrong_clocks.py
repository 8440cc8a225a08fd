"""Clocks that are wrong by 5 minutes: what a process with one issues, ends and revokes, and others check."""

from dataclasses import replace

import httpx2
import pytest

from tests.support.http import PASSWORD
from tests.support.revocations import REVOCATIONS
from tests.support.revoking import Scene, Servers, revoke_under_load, scene_on
from tests.support.stores import rows

RIGHT, AHEAD, BEHIND = 0, 1, 2


async def asked(scene: Scene, api: int) -> int:
    """The status of a request of Bob's to one of the processes."""
    me = f"{scene.servers.urls[api]}/v1/users/me"
    return (await scene.bob.client.get(me, headers=scene.bob.headers)).status_code


def idle_for(scene: Scene, interval: str) -> None:
    """Let Bob's session be idle until so long from now, as the database sees it."""
    change = "UPDATE sessions SET idle_ends_at = clock_timestamp() + %s::interval WHERE id = %s"
    rows(scene.servers.database.admin_url, change, interval, scene.bob.session_id)


@pytest.mark.parametrize(("issuer", "others"), [(AHEAD, [RIGHT]), (RIGHT, [AHEAD, BEHIND]), (BEHIND, [RIGHT])])
async def test_a_token_is_taken_where_the_clock_differs_by_5_minutes(
    servers: Servers, issuer: int, others: list[int]
) -> None:
    async with scene_on(servers) as scene:
        await scene.bob.log_in(servers.urls[issuer])
        assert [await asked(scene, api) for api in [issuer, *others]] == [200] * (1 + len(others))


async def test_a_token_that_is_not_valid_yet_says_that_a_clock_is_wrong(servers: Servers) -> None:
    async with scene_on(servers) as scene:
        await scene.bob.log_in(servers.urls[AHEAD])
        me = f"{servers.urls[BEHIND]}/v1/users/me"
        answer = await scene.bob.client.get(me, headers=scene.bob.headers)
        assert answer.status_code == 401
        assert "not valid yet" in answer.json()["detail"]
        await scene.bob.refresh(servers.urls[RIGHT])
        assert [await asked(scene, api) for api in (AHEAD, RIGHT, BEHIND)] == [200] * 3


async def test_sessions_are_refreshed_by_all_processes_in_turn(servers: Servers) -> None:
    async with scene_on(servers) as scene:
        for api in (AHEAD, BEHIND, RIGHT, AHEAD):
            used = scene.bob.refresh_token
            await scene.bob.refresh(servers.urls[api])
        again = {"refresh_token": used}
        answer = await scene.bob.client.post(f"{servers.urls[BEHIND]}/v1/auth/refresh", json=again)
        assert answer.json()["refresh_token"] == scene.bob.refresh_token


@pytest.mark.parametrize(("idle", "statuses"), [("6 minutes", [200, 200, 200]), ("-6 minutes", [401, 401, 401])])
async def test_the_end_of_an_idle_session_is_wrong_by_5_minutes_at_most(
    servers: Servers, idle: str, statuses: list[int]
) -> None:
    async with scene_on(servers) as scene:
        await scene.bob.log_in(servers.urls[RIGHT])
        idle_for(scene, idle)
        assert [await asked(scene, api) for api in (AHEAD, RIGHT, BEHIND)] == statuses
        refreshed = {"refresh_token": scene.bob.refresh_token}
        answer = await scene.bob.client.post(f"{servers.urls[BEHIND]}/v1/auth/refresh", json=refreshed)
        assert answer.status_code == statuses[BEHIND]


@pytest.mark.parametrize("name", ["session revoked", "password changed", "share revoked"])
@pytest.mark.parametrize("wrong", [AHEAD, BEHIND])
async def test_what_a_process_with_a_wrong_clock_revokes_no_process_takes(
    servers: Servers, name: str, wrong: int
) -> None:
    async with scene_on(replace(servers, urls=[servers.urls[wrong], servers.urls[RIGHT]])) as scene:
        await revoke_under_load(scene, REVOCATIONS[name])


@pytest.mark.parametrize("wrong", [AHEAD, BEHIND])
async def test_a_login_after_a_change_of_the_password_is_not_taken_for_one_before_it(
    servers: Servers, wrong: int
) -> None:
    async with scene_on(servers) as scene, httpx2.AsyncClient(timeout=30) as client:
        change = {"current_password": PASSWORD, "new_password": "another sentence to know"}
        await scene.bob.log_in(servers.urls[RIGHT])
        await scene.bob.send("POST", f"{servers.urls[RIGHT]}/v1/users/change-password", change)
        login = {"email": scene.bob.email, "password": change["new_password"]}
        scene.bob.use(await client.post(f"{servers.urls[wrong]}/v1/auth/login", json=login))
        assert await asked(scene, RIGHT) == 200
