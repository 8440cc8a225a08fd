"""Sessions over HTTP: tokens in bodies and headers, or in cookies, and never both."""

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from typing import Any
from uuid import UUID

import httpx2
import pytest
from uuid_utils.compat import uuid7

from adapters.http.api.cookies import ACCESS_COOKIE, CSRF_COOKIE, REFRESH_COOKIE, CsrfTokens
from application.ports import IDLE_LIFETIME
from tests.support.http import PASSWORD, HttpApi, open_http_api

LOGIN, REFRESH_PATH = "/v1/auth/login", "/v1/auth/refresh"
ADA = {"email": "ada@example.org", "password": PASSWORD}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture(autouse=True)
async def account(api: HttpApi) -> UUID:
    return (await api.account())[0]


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def log_in(api: HttpApi, **more: Any) -> Any:
    answer = await api.client.post(LOGIN, json=ADA, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


class Browser:
    """Keeps cookies, as a browser does, and sends them itself."""

    def __init__(self, api: HttpApi) -> None:
        self.api, self.cookies, self.csrf = api, dict[str, str](), ""
        self.set: list[str] = []

    async def send(self, method: str, path: str, *, csrf: str | None = None, **more: Any) -> httpx2.Response:
        """Send a request with the cookies, and the CSRF_COOKIE token unless another one is given."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        headers |= {"X-CSRF-Token": self.csrf if csrf is None else csrf} | more.pop("headers", {})
        answer = await self.api.client.request(method, path, headers=headers, **more)
        self.api.client.cookies.clear()
        self.set = answer.headers.get_list("set-cookie")
        for text in self.set:
            for name, morsel in SimpleCookie(text).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        return answer

    async def log_in(self) -> "Browser":
        """Log in, in cookie mode."""
        answer = await self.send("POST", LOGIN, json={**ADA, "mode": "cookie"})
        self.csrf = answer.json()["csrf_token"]
        return self

    async def is_logged_in(self) -> bool:
        """Whether the cookies still authenticate."""
        return (await self.send("GET", "/v1/users/me/sessions")).status_code == 200


@pytest.fixture
async def browser(api: HttpApi) -> Browser:
    return await Browser(api).log_in()


async def test_a_login_gives_both_tokens(api: HttpApi, account: UUID) -> None:
    answer = await api.client.post(LOGIN, json=ADA)
    tokens = answer.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 3600)
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    grant = api.tokens.identify(tokens["access_token"])
    assert (grant.user_id, str(grant.session_id)) == (account, tokens["session_id"])


async def test_asvs_7_2_4_each_login_begins_a_session_of_its_own_with_new_tokens(api: HttpApi) -> None:
    first, second = await log_in(api), await log_in(api)
    for name in ("access_token", "refresh_token", "session_id"):
        assert first[name] != second[name]


async def test_a_refresh_gives_the_next_tokens_of_the_session(api: HttpApi) -> None:
    first = await log_in(api)
    answer = await api.client.post(REFRESH_PATH, json={"refresh_token": first["refresh_token"]})
    second = answer.json()
    assert second["session_id"] == first["session_id"]
    assert second["refresh_token"] != first["refresh_token"]
    assert (await api.client.get("/v1/users/me/sessions", headers=bearer(second))).status_code == 200
    assert (await api.client.get("/v1/users/me/sessions", headers=bearer(first))).status_code == 200


@pytest.mark.parametrize("token", ["x", "A" * 86, "ä" * 86])
async def test_another_refresh_token_is_refused(api: HttpApi, token: str) -> None:
    answer = await api.client.post(REFRESH_PATH, json={"refresh_token": token})
    assert (answer.status_code, answer.json()["code"]) == (401, "session_over")


async def test_asvs_10_4_8_a_refresh_token_ends_with_its_session(api: HttpApi) -> None:
    tokens = await log_in(api)
    api.time.now += IDLE_LIFETIME
    answer = await api.client.post(REFRESH_PATH, json={"refresh_token": tokens["refresh_token"]})
    assert answer.status_code == 401


async def test_sessions_are_listed_with_the_device_and_the_current_one_is_marked(api: HttpApi) -> None:
    first = await log_in(api, headers={"User-Agent": FIREFOX})
    second = await log_in(api, headers={"User-Agent": "curl/8.1"})
    found = (await api.client.get("/v1/users/me/sessions", headers=bearer(first))).json()
    own = [each for each in found if each["id"] in (first["session_id"], second["session_id"])]
    assert [(each["id"], each["current"], each["device"]) for each in own] == [
        (second["session_id"], False, "curl"),
        (first["session_id"], True, "Firefox on Linux"),
    ]
    assert {each["address"] for each in own} == {"127.0.0.1"}


async def test_asvs_7_4_1_after_a_logout_no_token_of_the_session_is_taken(api: HttpApi) -> None:
    tokens, other = await log_in(api), await log_in(api)
    assert (await api.client.post("/v1/auth/logout", headers=bearer(tokens))).status_code == 204
    answer = await api.client.get("/v1/users/me/sessions", headers=bearer(tokens))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    refused = await api.client.post(REFRESH_PATH, json={"refresh_token": tokens["refresh_token"]})
    assert refused.status_code == 401
    assert (await api.client.get("/v1/users/me/sessions", headers=bearer(other))).status_code == 200


async def test_asvs_7_5_2_a_session_is_revoked_from_another_one(api: HttpApi) -> None:
    tokens, other = await log_in(api), await log_in(api)
    path = f"/v1/users/me/sessions/{other['session_id']}"
    for _ in range(2):
        assert (await api.client.delete(path, headers=bearer(tokens))).status_code == 204
    assert (await api.client.get("/v1/users/me/sessions", headers=bearer(other))).status_code == 401
    answer = await api.client.delete(f"/v1/users/me/sessions/{uuid7()}", headers=bearer(tokens))
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_session")


async def test_a_logout_everywhere_ends_every_session(api: HttpApi) -> None:
    tokens, other = await log_in(api), await log_in(api)
    assert (await api.client.post("/v1/auth/logout-everywhere", headers=bearer(tokens))).status_code == 204
    for each in (tokens, other):
        assert (await api.client.get("/v1/users/me/sessions", headers=bearer(each))).status_code == 401


async def test_a_token_of_another_user_in_the_session_is_refused(api: HttpApi) -> None:
    tokens = await log_in(api)
    forged = {"access_token": api.tokens.issue(uuid7(), UUID(tokens["session_id"]))}
    assert (await api.client.get("/v1/users/me/sessions", headers=bearer(forged))).status_code == 401


async def test_asvs_3_3_1_3_3_2_3_3_3_3_3_4_cookies_are_bound_to_the_host_and_kept_from_scripts(
    browser: Browser,
) -> None:
    assert len(browser.set) == 3
    for text in browser.set:
        [(name, morsel)] = SimpleCookie(text).items()
        assert name.startswith("__Host-")
        assert (morsel["path"], morsel["domain"], morsel["secure"], morsel["samesite"]) == ("/", "", True, "Strict")
        assert bool(morsel["httponly"]) == (name != CSRF_COOKIE)
    assert browser.cookies.keys() == {ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE}


async def test_no_token_that_authenticates_is_in_the_body_in_cookie_mode(api: HttpApi) -> None:
    browser = Browser(api)
    answer = await browser.send("POST", LOGIN, json={**ADA, "mode": "cookie"})
    assert answer.json().keys() == {"csrf_token", "expires_in", "session_id"}
    assert not any(browser.cookies[name] in answer.text for name in (ACCESS_COOKIE, REFRESH_COOKIE))


async def test_cookies_authenticate(browser: Browser) -> None:
    assert await browser.is_logged_in()
    answer = await browser.send("POST", "/v1/documents", json={"title": "Notes"})
    assert answer.status_code == 201


@pytest.mark.parametrize("csrf", ["", "x", "x.y"])
async def test_asvs_3_5_1_a_change_without_the_csrf_token_is_refused(browser: Browser, csrf: str) -> None:
    for send in (
        browser.send("POST", "/v1/documents", csrf=csrf, json={"title": "Notes"}),
        browser.send("PUT", "/v1/users/me", csrf=csrf, json={"name": "Eve"}),
        browser.send("DELETE", f"/v1/users/me/sessions/{uuid7()}", csrf=csrf),
        browser.send("POST", "/v1/auth/logout", csrf=csrf),
        browser.send("POST", "/v1/auth/refresh-cookies", csrf=csrf),
    ):
        answer = await send
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_token_needed")
    assert await browser.is_logged_in()


async def test_asvs_3_5_1_a_csrf_token_of_another_session_is_refused_even_in_a_cookie(
    api: HttpApi, browser: Browser
) -> None:
    """A cookie may have been planted: who plants it has a session of their own, with a token for it."""
    other = await Browser(api).log_in()
    browser.cookies[CSRF_COOKIE] = other.csrf
    answer = await browser.send("POST", "/v1/documents", csrf=other.csrf, json={"title": "Notes"})
    assert answer.status_code == 403


def test_a_csrf_token_survives_a_rotation_of_the_key() -> None:
    id = uuid7()
    token = CsrfTokens([b"1" * 32]).make(id)
    assert CsrfTokens([b"2" * 32, b"1" * 32]).fits(id, token, token)
    assert not CsrfTokens([b"2" * 32]).fits(id, token, token)


async def test_two_tokens_are_refused(api: HttpApi, browser: Browser) -> None:
    tokens = await log_in(api)
    answer = await browser.send("GET", "/v1/users/me/sessions", headers=bearer(tokens))
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


async def test_a_token_of_one_mode_is_refused_in_the_other(api: HttpApi, browser: Browser) -> None:
    as_bearer = {"Authorization": f"Bearer {browser.cookies[ACCESS_COOKIE]}"}
    assert (await api.client.get("/v1/users/me/sessions", headers=as_bearer)).status_code == 401
    body = {"refresh_token": browser.cookies[REFRESH_COOKIE]}
    assert (await api.client.post(REFRESH_PATH, json=body)).status_code == 401
    tokens = await log_in(api)
    browser.cookies = {ACCESS_COOKIE: tokens["access_token"], REFRESH_COOKIE: tokens["refresh_token"], CSRF_COOKIE: ""}
    assert not await browser.is_logged_in()
    browser.cookies[CSRF_COOKIE] = browser.csrf = CsrfTokens([bytes(32)]).make(UUID(tokens["session_id"]))
    assert (await browser.send("POST", "/v1/auth/refresh-cookies")).status_code == 401


async def test_a_refresh_replaces_the_cookies(browser: Browser) -> None:
    before = dict(browser.cookies)
    answer = await browser.send("POST", "/v1/auth/refresh-cookies")
    browser.csrf = answer.json()["csrf_token"]
    assert browser.cookies.keys() == before.keys()
    assert all(browser.cookies[name] != before[name] for name in before)
    assert await browser.is_logged_in()
    assert (await browser.send("POST", "/v1/documents", json={"title": "Notes"})).status_code == 201


async def test_a_refresh_without_cookies_is_refused(api: HttpApi) -> None:
    assert (await Browser(api).send("POST", "/v1/auth/refresh-cookies")).status_code == 401


async def test_asvs_16_3_1_a_cookie_that_is_no_refresh_token_is_logged(api: HttpApi) -> None:
    before, browser = len(api.security_log.logged), Browser(api)
    for found in ({}, {REFRESH_COOKIE: "nonsense"}):
        browser.cookies = found
        assert (await browser.send("POST", "/v1/auth/refresh-cookies")).status_code == 401
    assert api.security_log.what_happened()[before:] == [("refresh_session", "refused", "invalid_token")]


@pytest.mark.parametrize("path", ["/v1/auth/logout", "/v1/auth/logout-everywhere"])
async def test_a_logout_removes_the_cookies(browser: Browser, path: str) -> None:
    kept = dict(browser.cookies)
    assert (await browser.send("POST", path)).status_code == 204
    assert browser.cookies == {}
    browser.cookies = kept
    assert not await browser.is_logged_in()


async def test_a_logout_of_a_bearer_session_leaves_cookies_alone(api: HttpApi) -> None:
    answer = await api.client.post("/v1/auth/logout", headers=bearer(await log_in(api)))
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(("origins", "allowed"), [(("https://app.test",), "true"), (("*",), None)])
async def test_other_origins_may_send_cookies_only_if_they_are_named(
    origins: tuple[str, ...], allowed: str | None
) -> None:
    async with open_http_api(cors_origins=origins) as api:
        answer = await api.client.get("/health/live", headers={"Origin": "https://app.test"})
    assert answer.headers.get("access-control-allow-credentials") == allowed


async def test_asvs_15_4_2_a_session_that_ends_while_a_body_comes_writes_nothing(api: HttpApi) -> None:
    slow, other = bearer(await log_in(api)), bearer(await log_in(api))
    has_begun, goes_on = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"title": "Notes"'
        has_begun.set()
        await goes_on.wait()
        yield b"}"

    headers = {**slow, "Content-Type": "application/json"}
    request = asyncio.create_task(api.client.post("/v1/documents", content=body(), headers=headers))
    await has_begun.wait()
    assert (await api.client.post("/v1/auth/logout-everywhere", headers=other)).status_code == 204
    goes_on.set()
    assert (await request).status_code == 401
