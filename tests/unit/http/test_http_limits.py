"""Limits of requests: who is charged for what, and what a response says about it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import httpx2
import pytest
from uuid_utils.compat import uuid7

from adapters.http.api.limits import LimitName, RequestLimits
from application.ports import MAX_WORK, Quota
from infra.limits.local_limits import LocalLimits
from infra.sealing.blind_index import BlindIndex
from tests.support.http import PASSWORD, HttpApi, open_http_api
from tests.support.limits import light_work, request_limits, sign_in_attempts
from tests.support.stores import BLIND_KEY
from tests.support.work import solved

LOGIN = {"email": "ada@example.org", "password": PASSWORD}
NEW = {"email": "new@example.org", "name": "New", "password": PASSWORD}
HERE, THERE = "192.0.2.7", "198.51.100.1"


@asynccontextmanager
async def limited() -> AsyncIterator[HttpApi]:
    """The API with the limits that it has unless they are set."""
    limits = LocalLimits(clock=lambda: 0)
    work = light_work(limits)
    attempts = sign_in_attempts(limits, work, scale=1)
    async with open_http_api(attempts, limits=request_limits(limits, scale=1), challenges=work) as api:
        yield api


async def ask(api: HttpApi, method: str, path: str, address: str = HERE, **more: Any) -> httpx2.Response:
    """Send a request from an address."""
    transport = httpx2.ASGITransport(api.app, client=(address, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="https://api.test") as client:
        return await client.request(method, path, **more)


async def statuses(api: HttpApi, number: int, method: str, path: str, address: str = HERE, **more: Any) -> list[int]:
    """Send a request many times, and return the statuses."""
    return [(await ask(api, method, path, address, **more)).status_code for _ in range(number)]


async def test_a_network_may_try_to_log_in_five_times_a_minute() -> None:
    async with limited() as api:
        await api.account()
        assert await statuses(api, 7, "POST", "/v1/auth/login", json=LOGIN) == [200] * 5 + [429] * 2
        assert await statuses(api, 1, "POST", "/v1/auth/login", THERE, json=LOGIN) == [200]


async def test_a_refusal_says_why_and_when_to_come_again() -> None:
    async with limited() as api:
        await statuses(api, 5, "POST", "/v1/auth/login", json=LOGIN)
        refused = await ask(api, "POST", "/v1/auth/login", json=LOGIN)
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    assert "log in from your network; try again in 12 s" in refused.json()["detail"]
    assert refused.headers["Retry-After"] == "12"


async def test_responses_say_what_is_left() -> None:
    async with limited() as api:
        first, *_, last, refused = [await ask(api, "POST", "/v1/auth/login", json=LOGIN) for _ in range(6)]
    assert first.headers["RateLimit-Policy"] == '"sign-in";q=5;w=60'
    assert first.headers["RateLimit"] == '"sign-in";r=4;t=12'
    assert last.headers["RateLimit"] == refused.headers["RateLimit"] == '"sign-in";r=0;t=12'
    assert [first.headers[f"X-RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")] == ["5", "4", "12"]


async def test_of_several_limits_the_tightest_is_in_the_older_headers() -> None:
    async with limited() as api:
        answer = await ask(api, "POST", "/v1/auth/register", json=NEW)
    assert answer.headers["RateLimit"] == '"registration";r=9;t=360, "registration-range";r=49;t=72'
    assert answer.headers["X-RateLimit-Remaining"] == "9"


async def test_a_user_is_charged_wherever_they_are_and_by_any_token() -> None:
    async with limited() as api:
        user_id, token = await api.account()
        first = await ask(api, "GET", "/v1/documents", HERE, headers=token)
        api.time.pass_by(seconds=1)
        other = await ask(api, "GET", "/v1/documents", THERE, headers=api.token(user_id))
    assert first.headers["RateLimit-Policy"] == '"user";q=100;w=60'
    assert [answer.headers["X-RateLimit-Remaining"] for answer in (first, other)] == ["99", "98"]


async def test_users_of_one_network_have_limits_of_their_own() -> None:
    async with limited() as api:
        for name in ("ada", "ben"):
            _, token = await api.account(name)
            assert (await ask(api, "GET", "/v1/documents", headers=token)).headers["X-RateLimit-Remaining"] == "99"


async def refreshes(api: HttpApi, tokens: dict[str, Any], number: int) -> list[httpx2.Response]:
    """Refresh a session many times from one network, each time with the latest token."""
    found = []
    for _ in range(number):
        found.append(await ask(api, "POST", "/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}))
        tokens = found[-1].json() if found[-1].status_code == 200 else tokens
    return found


async def test_users_of_one_network_refresh_their_sessions_within_limits_of_their_own() -> None:
    async with limited() as api:
        for name in ("ada", "ben"):
            await api.account(name)
            login = {**LOGIN, "email": f"{name}@example.org"}
            found = await refreshes(api, (await ask(api, "POST", "/v1/auth/login", THERE, json=login)).json(), 101)
            assert [answer.status_code for answer in found] == [200] * 100 + [429]
            assert found[0].headers["RateLimit"] == '"user";r=99;t=1'
        assert (await ask(api, "GET", "/.well-known/jwks.json")).headers["X-RateLimit-Remaining"] == "99"


@pytest.mark.parametrize("other_session", [True, False])
async def test_a_refresh_token_that_is_made_up_is_charged_to_the_network(other_session: bool) -> None:
    async with limited() as api:
        await api.account()
        known = (await ask(api, "POST", "/v1/auth/login", THERE, json=LOGIN)).json()["refresh_token"]
        made_up = (known if other_session else "A" * 22)[:22] + "A" * 64
        found = await statuses(api, 101, "POST", "/v1/auth/refresh", json={"refresh_token": made_up})
        assert found == [401] * 100 + [429]


@pytest.mark.parametrize("dead", ["ended", "expired", "replaced"])
async def test_a_refresh_token_that_is_no_longer_valid_is_charged_to_the_network(dead: str) -> None:
    """Else an old token shut its user out, and let a network send as many requests as it liked."""
    async with limited() as api:
        await api.account()
        login = (await ask(api, "POST", "/v1/auth/login", THERE, json=LOGIN)).json()
        body = {"refresh_token": login["refresh_token"]}
        match dead:
            case "ended":
                bearer = {"Authorization": f"Bearer {login['access_token']}"}
                await ask(api, "POST", "/v1/auth/logout", THERE, headers=bearer)
            case "expired":
                api.time.pass_by(days=31)
            case _:
                await refreshes(api, login, 2)
                api.time.pass_by(seconds=11)
        found = await statuses(api, 101, "POST", "/v1/auth/refresh", json=body)
        assert found == [401] * 100 + [429]


async def test_refreshes_in_cookie_mode_are_charged_to_the_user_too() -> None:
    async with limited() as api:
        await api.account()
        login = await ask(api, "POST", "/v1/auth/login", THERE, json={**LOGIN, "mode": "cookie"})
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in login.cookies.items()),
            "X-CSRF-Token": login.json()["csrf_token"],
        }
        answer = await ask(api, "POST", "/v1/auth/refresh-cookies", headers=headers)
    assert (answer.status_code, answer.headers["RateLimit"]) == (200, '"user";r=99;t=1')


async def test_what_is_not_authenticated_is_charged_to_no_user() -> None:
    async with limited() as api:
        _, token = await api.account()
        forged = {"Authorization": token["Authorization"][:-4] + "AAAA"}
        assert await statuses(api, 150, "GET", "/v1/documents", headers=forged) == [401] * 100 + [429] * 50
        assert (await ask(api, "GET", "/v1/documents", headers=token)).headers["X-RateLimit-Remaining"] == "99"


async def test_errors_are_charged_and_say_what_is_left_too() -> None:
    async with limited() as api:
        answer = await ask(api, "POST", "/v1/auth/login", json={"email": 1})
    assert answer.status_code == 422
    assert answer.headers["X-RateLimit-Remaining"] == "4"


async def test_open_routes_are_charged_to_the_network() -> None:
    async with limited() as api:
        answer = await ask(api, "GET", "/.well-known/jwks.json")
    assert answer.headers["RateLimit-Policy"] == '"anonymous";q=100;w=60'


async def test_health_checks_are_not_limited() -> None:
    async with limited() as api:
        assert await statuses(api, 150, "GET", "/health/live") == [200] * 150
        assert "RateLimit" not in (await ask(api, "GET", "/health/ready")).headers


async def test_a_refused_request_is_refused_before_its_body_is_read() -> None:
    async with limited() as api:
        await statuses(api, 5, "POST", "/v1/auth/login", json=LOGIN)
        assert (await ask(api, "POST", "/v1/auth/login", content=b"not json")).status_code == 429


@pytest.mark.parametrize("path", ["/v1/auth/forgot-password", "/v1/auth/resend-verification"])
async def test_a_network_gets_only_so_many_mails(path: str) -> None:
    async with limited() as api:
        found = await statuses(api, 11, "POST", path, json={"email": "ada@example.org"})
    assert found == [202] * 10 + [429]


async def test_asvs_2_4_1_neighbours_share_a_limit_of_registrations() -> None:
    """Addresses of a /24 are cheap to get, all of them."""
    async with limited() as api:
        for last in range(1, 6):
            await statuses(api, 10, "POST", "/v1/auth/register", f"192.0.2.{last}", json=NEW)
        refused = await ask(api, "POST", "/v1/auth/register", "192.0.2.200", json=NEW)
        assert refused.status_code == 429
        assert "and its neighbours" in refused.json()["detail"]
        assert await statuses(api, 1, "POST", "/v1/auth/register", "192.0.3.1", json=NEW) == [202]


async def test_addresses_of_one_ipv6_network_share_a_bucket() -> None:
    async with limited() as api:
        for last in range(5):
            login = {**LOGIN, "email": f"{last}@example.org"}
            await ask(api, "POST", "/v1/auth/login", f"2001:db8:1:2::{last}", json=login)
        assert await statuses(api, 1, "POST", "/v1/auth/login", "2001:db8:1:2:ffff::", json=LOGIN) == [429]
        assert await statuses(api, 1, "POST", "/v1/auth/login", "2001:db8:1:3::1", json=LOGIN) == [401]


async def test_4_1_3_a_spoofed_x_forwarded_for_does_not_evade_the_limit() -> None:
    async with limited() as api:
        for last in range(5):
            await ask(api, "POST", "/v1/auth/login", json=LOGIN, headers={"X-Forwarded-For": f"203.0.113.{last}"})
        spoofed = {"X-Forwarded-For": "203.0.113.99", "X-Real-Ip": "203.0.113.99", "Forwarded": "for=203.0.113.99"}
        assert await statuses(api, 1, "POST", "/v1/auth/login", json=LOGIN, headers=spoofed) == [429]


async def test_50_at_once_pass_no_more_than_the_limit() -> None:
    async with limited() as api:
        logins = [{**LOGIN, "email": f"{number}@example.org"} for number in range(50)]
        answers = await asyncio.gather(*[ask(api, "POST", "/v1/auth/login", json=login) for login in logins])
    assert sum(answer.status_code == 401 for answer in answers) == 5


async def test_after_three_failures_for_an_address_a_solved_challenge_lets_its_owner_in() -> None:
    wrong = {**LOGIN, "password": "a sentence that is wrong"}
    async with limited() as api:
        await api.account()
        for last in range(1, 4):
            assert await statuses(api, 1, "POST", "/v1/auth/login", f"203.0.113.{last}", json=wrong) == [401]
        refused = await ask(api, "POST", "/v1/auth/login", json=LOGIN)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
        assert (refused.headers["Retry-After"], refused.headers["Challenge-Work"]) == ("10", "0")
        challenge = (await ask(api, "GET", "/v1/auth/challenge?work=0")).json()
        headers = {"Challenge-Solution": solved(challenge)}
        assert await statuses(api, 2, "POST", "/v1/auth/login", json=LOGIN, headers=headers) == [200, 429]


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", "/v1/users/change-password", {"new_password": "another sentence to know"}),
        ("POST", "/v1/users/me/email", {"new_email": "new@example.org"}),
        ("DELETE", "/v1/users/me", {}),
    ],
    ids=["password", "address", "deletion"],
)
async def test_a_thief_of_a_session_guesses_the_password_no_more_often_than_strangers(
    method: str, path: str, more: dict[str, str]
) -> None:
    wrong, right = {**more, "current_password": "a guess of a thief"}, {**more, "current_password": PASSWORD}
    async with limited() as api:
        _, token = await api.account()
        found = [await statuses(api, 1, method, path, f"203.0.113.{n}", json=wrong, headers=token) for n in range(4)]
        assert found == [[403]] * 3 + [[429]]
        refused = await ask(api, "POST", "/v1/auth/login", json=LOGIN)
        assert refused.json()["code"] == "too_many_attempts"
        challenge = (await ask(api, "GET", "/v1/auth/challenge")).json()
        solution = {"Challenge-Solution": solved(challenge)}
        [status] = await statuses(api, 1, method, path, json=right, headers=token | solution)
        assert status in (202, 204)


async def test_the_current_password_is_guessed_five_times_from_one_network() -> None:
    change = {"current_password": "a guess of a thief", "new_password": "another sentence to know"}
    async with limited() as api:
        tokens = [(await api.account(name))[1] for name in ("ada", "ben", "cleo")]
        found = [
            (await statuses(api, 2, "POST", "/v1/users/change-password", json=change, headers=token))
            for token in tokens
        ]
        assert found == [[403, 403], [403, 403], [403, 429]]


def invitations(number: int) -> dict[str, Any]:
    """A request to invite so many addresses."""
    return {"invitations": [{"email": f"{n}@example.org", "role": "viewer"} for n in range(number)]}


async def new_team(api: HttpApi) -> tuple[str, dict[str, str]]:
    """The id of a team, and the token of its owner, whose address is verified."""
    user_id, _ = await api.account()
    session_id = api.sessions.log_in(user_id, uuid7, BlindIndex(BLIND_KEY).address_id("ada@example.org"))
    token = {"Authorization": f"Bearer {api.tokens.issue(user_id, session_id)}"}
    answer = await ask(api, "POST", "/v1/teams", json={"name": "Crew", "slug": "crew"}, headers=token)
    return answer.json()["id"], token


async def test_each_address_that_is_invited_is_charged() -> None:
    async with limited() as api:
        team, token = await new_team(api)
        path = f"/v1/teams/{team}/invitation-batches"
        first = await ask(api, "POST", path, json=invitations(30), headers=token)
        assert (first.status_code, first.headers["RateLimit"]) == (200, '"user";r=98;t=2, "invitation";r=20;t=2160')
        refused = await ask(api, "POST", path, json=invitations(21), headers=token)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "72")
        assert await statuses(api, 1, "POST", path, json=invitations(20), headers=token) == [200]
        one = {"email": "one@example.org"}
        assert await statuses(api, 1, "POST", f"/v1/teams/{team}/invitations", json=one, headers=token) == [429]


async def test_a_repeated_request_gets_back_what_its_body_costs() -> None:
    async with limited() as api:
        team, token = await new_team(api)
        path, keyed = f"/v1/teams/{team}/invitation-batches", {**token, "Idempotency-Key": "once"}
        assert await statuses(api, 3, "POST", path, json=invitations(20), headers=keyed) == [200] * 3
        assert await statuses(api, 1, "POST", path, json=invitations(30), headers=token) == [200]
        assert await statuses(api, 1, "POST", path, json=invitations(1), headers=token) == [429]


async def test_more_addresses_than_the_limit_has_are_never_invited_at_once() -> None:
    limits = RequestLimits(LocalLimits(), dict.fromkeys(get_args(LimitName), Quota("invitation", 10, 3600, 10)))
    async with open_http_api(limits=limits) as api:
        user_id, token = await api.account()
        path = f"/v1/teams/{user_id}/invitation-batches"
        refused = await ask(api, "POST", path, json=invitations(11), headers=token)
    assert (refused.status_code, refused.json()["code"]) == (422, "too_many_at_once")
    assert "At most 10" in refused.json()["detail"]


async def test_a_challenge_has_the_work_that_was_asked_for() -> None:
    async with limited() as api:
        works = range(MAX_WORK + 1)
        found = [(await ask(api, "GET", f"/v1/auth/challenge?work={work}")).json() for work in works]
        assert [each["parameters"]["cost"] for each in found] == [1, 2, 4, 8, 16]
        assert await statuses(api, 1, "GET", f"/v1/auth/challenge?work={MAX_WORK + 1}") == [422]


async def test_a_challenge_is_for_the_network_that_asked_for_it() -> None:
    async with limited() as api:
        for last in range(1, 4):
            await ask(api, "POST", "/v1/auth/login", f"203.0.113.{last}", json=LOGIN)
        challenge = (await ask(api, "GET", "/v1/auth/challenge", THERE)).json()
        headers = {"Challenge-Solution": solved(challenge)}
        assert await statuses(api, 1, "POST", "/v1/auth/login", json=LOGIN, headers=headers) == [429]
        assert await statuses(api, 1, "POST", "/v1/auth/login", THERE, json=LOGIN, headers=headers) == [401]


async def test_a_refusal_is_the_same_whether_the_address_has_an_account_or_not() -> None:
    found = []
    async with limited() as api:
        await api.account()
        for email in (LOGIN["email"], "nothing@example.org"):
            wrong = {"email": email, "password": "a sentence that is wrong"}
            answers = [await ask(api, "POST", "/v1/auth/login", f"203.0.113.{last}", json=wrong) for last in range(4)]
            found.append([(each.status_code, each.json()["detail"]) for each in answers])
    assert found[0] == found[1]
    assert [status for status, _ in found[0]] == [401, 401, 401, 429]


async def test_a_solution_of_brackets_in_brackets_is_none() -> None:
    deep = base64.b64encode(b'{"x":' + b"[" * 3000).decode()
    wrong = {**LOGIN, "password": "a sentence that is wrong"}
    async with limited() as api:
        for last in range(1, 4):
            await ask(api, "POST", "/v1/auth/login", f"203.0.113.{last}", json=wrong)
        headers = {"Challenge-Solution": deep}
        assert await statuses(api, 1, "POST", "/v1/auth/login", json=wrong, headers=headers) == [429]


async def test_requests_that_are_refused_are_limited_by_network() -> None:
    async with limited() as api:
        _, token = await api.account()
        assert await statuses(api, 1, "POST", "/v1/auth/logout", headers=token) == [204]
        assert await statuses(api, 101, "GET", "/v1/documents", headers=token) == [401] * 100 + [429]
        assert await statuses(api, 1, "GET", "/v1/documents", THERE, headers=token) == [401]
