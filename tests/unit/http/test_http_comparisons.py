"""Comparisons over HTTP."""

import pytest

from tests.support.http import HttpApi

SIDES = {"left": {"prompt": "Describe it."}, "right": {"prompt": "Describe it in French.", "model": "thrifty"}}


async def test_a_comparison_is_accepted_and_shows_both_sides(api: HttpApi) -> None:
    _, headers = await api.account()
    made = await api.client.post("/v1/documents", headers=headers, json={"title": "Notes", "content": "The river."})
    asked = await api.client.post(f"{made.headers['Location']}/comparisons", headers=headers, json=SIDES)
    assert (asked.status_code, asked.headers["Location"]) == (202, f"/v1/comparisons/{asked.json()['id']}")
    seen = (await api.client.get(asked.headers["Location"], headers=headers)).json()
    assert (seen["left"]["model"], seen["right"]["model"], seen["changes"]) == ("swift", "thrifty", None)
    assert seen["left"]["generation_id"] == asked.json()["left_id"]
    text = await api.client.get(asked.headers["Location"], headers={**headers, "Accept": "text/x-diff"})
    assert (text.status_code, text.headers["content-type"]) == (200, "text/x-diff; charset=utf-8")


@pytest.mark.parametrize("body", [{}, {"left": {"prompt": "A"}}, {**SIDES, "right": {"prompt": ""}}])
async def test_both_sides_have_a_prompt(api: HttpApi, body: dict[str, object]) -> None:
    _, headers = await api.account()
    made = await api.client.post("/v1/documents", headers=headers, json={"title": "Notes"})
    answer = await api.client.post(f"{made.headers['Location']}/comparisons", headers=headers, json=body)
    assert answer.status_code == 422
