"""Time travel for auditors over HTTP: any aggregate at any point, events by what they say, what a request caused."""

import json
from typing import Any

import httpx2
import pytest

from tests.support.access import NOTHING
from tests.support.api import Account, Api


@pytest.fixture(scope="module")
def ada(api: Api) -> Account:
    return api.account("pro")


@pytest.fixture(scope="module")
def auditor(api: Api) -> Account:
    return api.auditor()


@pytest.fixture(scope="module")
def document(ada: Account) -> str:
    """A document with three saves. Answers its id."""
    path = ada.document("Otters", "Otters swim.")
    headers = {"Content-Type": "application/merge-patch+json"}
    for content in ("Otters dive.", "Otters sleep."):
        ada.write("PATCH", path, json={"content": content, "status": "published"}, headers=headers)
    return path.rpartition("/")[2]


def get(auditor: Account, path: str, status: int = 200, **more: Any) -> httpx2.Response:
    answer = auditor.client.get(f"/v1/audit/{path}", **more)
    assert answer.status_code == status, answer.text
    return answer


def events(auditor: Account, **params: Any) -> list[dict[str, Any]]:
    """All events that fit, page by page."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while page := get(auditor, "events", params={**params, "limit": 2, **cursor}).json():
        found += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    return found


def test_an_aggregate_is_shown_at_each_kind_of_point_with_its_texts_sealed(auditor: Account, document: str) -> None:
    first = get(auditor, f"states/document/{document}?at=1").json()
    assert (first["version"], first["state"]["status"]) == (1, "draft")
    assert (first["state"]["title"], first["sealed"]) == ("[sealed]", ["/title", "/content"])
    for point in (f"@{first['event']['position']}", first["event"]["recorded_at"]):
        assert get(auditor, f"states/document/{document}", params={"at": point}).json() == first
    now = get(auditor, f"states/document/{document}")
    assert now.json()["version"] == 3
    assert "Otters" not in now.text


def test_two_points_are_compared_but_for_what_is_sealed(auditor: Account, document: str) -> None:
    found = get(auditor, f"states/document/{document}/difference?before=1&after=3").json()
    changes = {each["path"]: each for each in found["changes"]}
    assert (changes["/status"]["before"], changes["/status"]["after"]) == ("draft", "published")
    assert found["not_compared"] == ["/title", "/content"]
    assert (found["before"]["version"], found["after"]["version"]) == (1, 3)


def test_events_are_found_by_stream_actor_and_type(auditor: Account, ada: Account, document: str) -> None:
    of_stream = events(auditor, aggregate_id=document)
    assert [each["version"] for each in of_stream] == [1, 2, 3]
    assert [each["position"] for each in of_stream] == sorted(each["position"] for each in of_stream)
    assert events(auditor, actor=str(ada.id), type="document.saved", topic="document") == of_stream[1:]
    assert events(auditor, actor=str(ada.id), until=of_stream[0]["recorded_at"], topic="document") == []


def test_events_stream_as_json_lines(auditor: Account, document: str) -> None:
    lines = get(auditor, f"events?aggregate_id={document}&limit=2", headers={"Accept": "application/jsonl"}).text
    assert [json.loads(line) for line in lines.splitlines()] == events(auditor, aggregate_id=document)


def test_what_a_request_caused_is_a_tree(auditor: Account, ada: Account) -> None:
    answer = ada.write("POST", "/v1/documents", 201, json={"title": "T", "content": ""})
    tree = get(auditor, f"requests/{answer.headers['X-Request-Id']}").json()
    assert tree["complete"]
    assert "document.created" in {each["event"]["type"] for each in tree["events"] if each["depth"] == 0}
    assert {each["event"]["correlation_id"] for each in tree["events"]} == {answer.headers["X-Request-Id"]}


def test_each_read_is_an_event_that_names_whom_it_concerned(auditor: Account, ada: Account, document: str) -> None:
    path = f"states/document/{document}?at=2"
    request = get(auditor, path).headers["X-Request-Id"]
    [read] = events(auditor, request=request)
    assert (read["type"], read["actor_id"]) == ("audit.history_read", str(auditor.id))
    assert (read["fields"]["topic"], read["fields"]["filters"]) == ("document", {"at": "2"})
    assert str(ada.id) in read["fields"]["user_ids"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"states/otter/{NOTHING}", 404, "no_such_topic"),
        (f"states/document/{NOTHING}", 404, "not_found"),
        (f"states/document/{NOTHING}?at=noon", 422, "no_such_point"),
        (f"states/document/{NOTHING}?at=2026-13-01T00:00:00Z", 422, "no_such_point"),
        (f"states/document/{NOTHING}?at=@9223372036854775808", 422, "no_such_point"),
        ("events?topic=otter", 404, "no_such_topic"),
        ("events?type=Otter%20tales", 422, "not_valid"),
        ("events?cursor=otter", 422, "bad_cursor"),
        (f"requests/{NOTHING}", 404, "not_found"),
    ],
)
def test_a_wrong_question_is_refused(auditor: Account, path: str, status: int, code: str) -> None:
    assert get(auditor, path, status).json()["code"] == code


def test_a_list_ends_although_each_page_of_it_is_an_event(auditor: Account) -> None:
    found = events(auditor, topic="audit")
    assert {each["type"] for each in found} == {"audit.history_read"}
    lines = get(auditor, "events?topic=audit&limit=2", headers={"Accept": "application/jsonl"}).text.splitlines()
    assert len(found) < len(lines) < 3 * len(found) + 10
