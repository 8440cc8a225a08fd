"""The security log over HTTP: what is refused is noted, and users read their own entries."""

import pytest
from uuid_utils.compat import uuid7

from application.ports import Client, EntryFilter, SecurityEntry
from infra.limits.local_limits import LocalLimits
from tests.support.http import PASSWORD, HttpApi, open_http_api
from tests.support.limits import request_limits

EMAIL = "ada@example.org"
CLIENT = Client("192.0.2.7", "Firefox")


async def test_http_lists_the_callers_entries_and_no_others(api: HttpApi) -> None:
    ada, ada_token = await api.account("ada")
    _, eve_token = await api.account("eve")
    credentials = {"email": EMAIL, "password": PASSWORD}
    await api.client.post("/v1/auth/login", json=credentials, headers={"User-Agent": "Firefox"})
    await api.client.post("/v1/auth/login", json={**credentials, "password": "wrong"})
    listed = await api.client.get("/v1/users/me/security-log", headers=ada_token)
    refused, done = listed.json()["items"][:2]
    assert (refused["action"], refused["outcome"], refused["reason"]) == ("log_in", "refused", "wrong_password")
    assert (done["outcome"], done["user_agent"], done["ip_address"]) == ("done", "Firefox", "127.0.0.1")
    assert "log_in" not in (await api.client.get("/v1/users/me/security-log", headers=eve_token)).text
    [entry, *_] = await api.security_log.entries(ada, EntryFilter(1))
    assert str(entry.entry.request_id) == refused["request_id"]


@pytest.mark.parametrize(
    "query",
    [
        "action=nonsense",
        "since=5",
        "since=2026-11-22",
        "until=2026-11-22T12:00:00",
        "since=2026-13-22T12:00:00Z",
        "x=1",
    ],
)
async def test_http_refuses_filters_that_say_nothing_clear(api: HttpApi, token: dict[str, str], query: str) -> None:
    answer = await api.client.get(f"/v1/users/me/security-log?{query}", headers=token)
    assert answer.status_code == 422


async def test_http_filters_by_action_and_time(api: HttpApi) -> None:
    user_id, token = await api.account()
    for action in ("log_in", "log_out"):
        api.security_log.note(SecurityEntry(action, "done", uuid7(), CLIENT, user_id))
        api.time.pass_by(minutes=1)

    async def actions(**params: str) -> list[str]:
        listed = await api.client.get("/v1/users/me/security-log", headers=token, params=params)
        return [item["action"] for item in listed.json()["items"]]

    assert await actions(action="log_out") == ["log_out"]
    assert (await actions(until="2026-11-22T12:01:00Z"))[0] == "log_in"
    assert await actions(since="2026-11-22T12:01:00+00:00") == ["log_out"]


async def test_refusals_by_limits_are_logged() -> None:
    limits, wrong = LocalLimits(clock=lambda: 0), {"email": EMAIL, "password": "a sentence that is wrong"}
    async with open_http_api(limits=request_limits(limits, scale=1)) as api:
        user_id, token = await api.account()
        for _ in range(101):
            answer = await api.client.get("/v1/documents", headers=token)
        assert answer.status_code == 429
        for _ in range(6):
            answer = await api.client.post("/v1/auth/login", json=wrong)
        assert answer.status_code == 429
        found = [each.entry for each in api.security_log.logged if each.entry.action == "exceed_limit"]
    assert [(each.user_id, each.reason) for each in found] == [(user_id, "rate_limited"), (None, "rate_limited")]


async def test_asvs_16_3_2_refused_access_is_logged(api: HttpApi, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, token = await api.account()
    monkeypatch.setattr("adapters.http.api.tokens.scopes", lambda: {"documents:read"})
    narrow = api.token(ada)
    before = len(api.security_log.logged)
    for headers in (narrow, {"Authorization": "Bearer forged"}, {}, {"Authorization": "Basic YTpi"}):
        assert (await api.client.get("/v1/users/me", headers=headers)).status_code in (401, 403)
    assert api.security_log.what_happened()[before:] == [
        ("access", "refused", "insufficient_scope"),
        ("use_token", "refused", "invalid_token"),
    ]
    assert [logged.entry.user_id for logged in api.security_log.logged[before:]] == [ada, None]
    api.time.pass_by(hours=2)
    assert (await api.client.get("/v1/users/me", headers=token)).status_code == 401
    assert len(api.security_log.logged) == before + 2, "a token that has expired is no event"
