"""PATCH of a document: merge patches and edits, each by its media type; and responses without a body."""

from typing import Any

import pytest

from tests.support.http import HttpApi

PATCH, EDITS = "application/merge-patch+json", "application/vnd.palimpsest.edits+json"
NEW = {"title": "Notes", "content": "one two three"}
ONE = {"edits": [{"at": 4, "delete": 3, "insert": "2"}]}


async def document(api: HttpApi, token: dict[str, str]) -> str:
    made = await api.client.post("/v1/documents", json=NEW, headers=token)
    return str(made.headers["location"])


async def patch(api: HttpApi, path: str, media: str, body: Any, headers: dict[str, str]) -> Any:
    return await api.client.patch(path, json=body, headers={**headers, "Content-Type": media})


@pytest.mark.parametrize("change", [{"title": "New"}, {"content": ""}, {"status": "published"}, {}])
async def test_a_merge_patch_changes_what_it_names(api: HttpApi, token: dict[str, str], change: dict[str, str]) -> None:
    path = await document(api, token)
    answer = await patch(api, path, PATCH, change, {**token, "If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"' if change else '"1"')
    expected = {**NEW, "status": "draft", **change}
    assert {name: answer.json()[name] for name in expected} == expected


@pytest.mark.parametrize(
    "change",
    [{"title": None}, {"content": None}, {"status": None}, {"version": 7}, {"title": ""}, [], "x"],
    ids=str,
)
async def test_a_patch_that_removes_a_field_or_is_no_object_is_refused(
    api: HttpApi, token: dict[str, str], change: Any
) -> None:
    answer = await patch(api, await document(api, token), PATCH, change, token)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_valid")


async def test_edits_change_the_version_that_they_name(api: HttpApi, token: dict[str, str]) -> None:
    path = await document(api, token)
    answer = await patch(api, path, EDITS, ONE, {**token, "If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"], answer.json()["content"]) == (200, '"2"', "one 2 three")
    again = await patch(api, path, EDITS, ONE, {**token, "If-Match": '"1"'})
    assert (again.status_code, again.json()["code"]) == (412, "stale_version")


@pytest.mark.parametrize("named", [{}, {"If-Match": "*"}, {"If-None-Match": '"7"'}], ids=["none", "any", "another"])
async def test_edits_need_a_version(api: HttpApi, token: dict[str, str], named: dict[str, str]) -> None:
    answer = await patch(api, await document(api, token), EDITS, ONE, {**token, **named})
    assert (answer.status_code, answer.json()["code"]) == (428, "version_needed")
    assert "If-Match" in answer.json()["detail"]


async def test_edits_that_fit_no_text_are_refused_in_words(api: HttpApi, token: dict[str, str]) -> None:
    edits = {"edits": [{"at": 4, "delete": 30, "insert": ""}]}
    answer = await patch(api, await document(api, token), EDITS, edits, {**token, "If-Match": '"1"'})
    assert (answer.status_code, answer.json()["code"]) == (422, "unusable_edits")
    assert "may begin at 0 and end at 13" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"edits": []},
        {"edits": [{"at": 0, "delete": 0}]},
        {"edits": [{"at": "0", "delete": 0, "insert": ""}]},
        {"edits": [{"at": -1, "delete": 0, "insert": ""}]},
        {"edits": [{"at": 0, "delete": 0, "insert": "x" * 10_001}]},
        {"edits": [{"at": 0, "delete": 0, "insert": "", "more": 1}]},
        {"edits": ONE["edits"] * 101},
        {"edits": [{}] * 100_000},
        {"edits": [{"at": 0, "delete": 0, "insert": ""}] * 20_000},
        {"edits": [{"at": 0, "delete": 0, "insert": "x" * 9_000, "more": 1}] * 2},
        {"title": "x"},
    ],
    ids=["none", "missing", "text", "negative", "long", "unknown", "many", "empty", "too many", "large", "others"],
)
async def test_edits_of_another_shape_are_refused(api: HttpApi, token: dict[str, str], body: Any) -> None:
    answer = await patch(api, await document(api, token), EDITS, body, {**token, "If-Match": '"1"'})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_valid")


async def test_large_edits_are_taken(api: HttpApi, token: dict[str, str]) -> None:
    """Bodies over 16 KiB are parsed in steps."""
    edits = {"edits": [{"at": 3, "delete": 0, "insert": "\N{OTTER}" * 10_000}] * 2}
    answer = await patch(api, await document(api, token), EDITS, edits, {**token, "If-Match": '"1"'})
    assert answer.json()["content"] == "one" + "\N{OTTER}" * 20_000 + " two three"


@pytest.mark.parametrize("media", ["application/json", "application/json-patch+json", "text/plain", ""])
async def test_a_patch_of_another_media_type_is_refused_and_named(
    api: HttpApi, token: dict[str, str], media: str
) -> None:
    """RFC 5789, 2.2."""
    answer = await patch(api, await document(api, token), media, {"title": "x"}, token)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert answer.headers["accept-patch"] == f"{PATCH}, {EDITS}"


@pytest.mark.parametrize("media", [PATCH.upper(), f"{PATCH}; charset=utf-8"])
async def test_a_media_type_may_be_spelled_in_several_ways(api: HttpApi, token: dict[str, str], media: str) -> None:
    answer = await patch(api, await document(api, token), media, {"title": "x"}, token)
    assert answer.status_code == 200


@pytest.mark.parametrize("prefer", ["return=minimal", 'wait=1, Return="minimal"', "x;y=1, return=minimal"])
async def test_a_write_answers_without_a_body_on_request(api: HttpApi, token: dict[str, str], prefer: str) -> None:
    """RFC 7240, 4.2."""
    path = await document(api, token)
    answer = await patch(api, path, EDITS, ONE, {**token, "If-Match": '"1"', "Prefer": prefer})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (204, b"", '"2"')
    assert answer.headers["preference-applied"] == "return=minimal"
    assert int(answer.headers["consistency-token"]) > 0


@pytest.mark.parametrize("prefer", ["return=representation", "return=minimalist", "x-return=minimal"])
async def test_another_preference_leaves_the_body(api: HttpApi, token: dict[str, str], prefer: str) -> None:
    path = await document(api, token)
    answer = await patch(api, path, PATCH, {"title": "x"}, {**token, "Prefer": prefer})
    assert (answer.status_code, answer.json()["title"]) == (200, "x")
    assert "preference-applied" not in answer.headers


async def test_outcomes_are_no_state_and_come_with_every_preference(api: HttpApi, token: dict[str, str]) -> None:
    path = await document(api, token)
    batch = {"ids": [path.rpartition("/")[2]], "action": "archive"}
    headers = {**token, "Prefer": "return=minimal"}
    answer = await api.client.post("/v1/document-batches", json=batch, headers=headers)
    assert (answer.status_code, "outcomes" in answer.json()) == (200, True)
