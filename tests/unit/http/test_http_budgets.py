"""Budgets over HTTP: limits of teams, receipts and statements."""

from typing import Any

import pytest

from tests.support.http import HttpApi

Headers = dict[str, str]


async def team_of(api: HttpApi, headers: Headers) -> str:
    made = await api.client.post("/v1/teams", headers=headers, json={"name": "Crew", "slug": "crew"})
    return str(made.headers["Location"])


async def put(api: HttpApi, headers: Headers, path: str, **limit: Any) -> tuple[int, str | None]:
    answer = await api.client.put(path, headers=headers, json={"tokens": None, "micros": None} | limit)
    return answer.status_code, answer.json()["code"] if answer.content else None


async def test_an_owner_limits_the_budget_of_the_team_and_of_a_member(api: HttpApi) -> None:
    ada, headers = await api.account()
    team = await team_of(api, headers)
    assert await put(api, headers, f"{team}/budget/limit", tokens=1_000) == (204, None)
    assert await put(api, headers, f"{team}/budget/limits/{ada}", micros=5) == (204, None)
    seen = (await api.client.get(f"{team}/budget", headers=headers)).json()
    assert seen["limit"] == {"tokens": 1_000, "micros": None}
    assert (seen["usage"]["tokens"]["quota"], seen["usage"]["tokens"]["soft_quota"]) == (1_000, 800)
    [user] = seen["users"]
    assert (user["user_id"], user["limit"], user["micros"]["quota"]) == (str(ada), {"tokens": None, "micros": 5}, 5)


async def test_a_limit_of_nobody_or_below_zero_is_refused(api: HttpApi) -> None:
    bob, _ = await api.account("bob")
    _, headers = await api.account()
    team = await team_of(api, headers)
    assert await put(api, headers, f"{team}/budget/limits/{bob}", tokens=1) == (404, "no_such_member")
    assert (await put(api, headers, f"{team}/budget/limit", tokens=-1))[0] == 422


async def test_a_team_has_no_budget_for_strangers(api: HttpApi) -> None:
    _, headers = await api.account()
    _, bob = await api.account("bob")
    team = await team_of(api, headers)
    assert (await api.client.get(f"{team}/budget", headers=bob)).status_code == 404
    assert await put(api, bob, f"{team}/budget/limit", tokens=1) == (404, "not_found")


async def test_the_receipt_of_a_generation_is_read_beside_it(api: HttpApi) -> None:
    _, headers = await api.account()
    made = await api.client.post("/v1/documents", headers=headers, json={"title": "Notes", "content": "The river."})
    wish = {"prompt": "Describe the river."}
    asked = await api.client.post(f"{made.headers['Location']}/generate", headers=headers, json=wish)
    seen = await api.client.get(f"{asked.headers['Location']}/receipt", headers=headers)
    assert (seen.status_code, seen.json()["generation_id"]) == (200, asked.json()["id"])
    assert (seen.json()["attempts"], seen.json()["cost_micros"], seen.json()["model"]) == ([], 0, "swift")


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "1999-12", "now"])
async def test_a_statement_names_a_month(api: HttpApi, month: str) -> None:
    _, headers = await api.account()
    answer = await api.client.get(f"/v1/analytics/usage/statements/{month}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_valid")
