"""Documents through the whole service: HTTP in, events, read models, HTTP out."""

import asyncio
from collections import Counter
from collections.abc import Iterable

import httpx2

from tests.support.api import Account, Api
from tests.support.sse import heard


def test_what_was_written_is_read(api: Api) -> None:
    ada = api.account()
    made = ada.write("POST", "/v1/documents", 201, json={"title": "Notes", "content": "Otters."})
    assert ada.read(made.headers["Location"]) == made.json()


def test_a_document_keeps_every_version(api: Api) -> None:
    ada = api.account()
    path = ada.document("Notes", "Otters.")
    texts = ["Otters.", "Otters! \N{OTTER}", "", "Otters again.\nTwo of them."]
    for text in texts[1:]:
        ada.write("PUT", path, json={"title": "Notes", "content": text, "status": "draft"})
    listed = ada.read(f"{path}/versions")
    assert [(each["version"], each["title"], each["content_changed"]) for each in listed["items"]] == [
        (4, None, True), (3, None, True), (2, None, True), (1, "Notes", True),
    ]  # fmt: skip
    assert [ada.read(f"{path}/versions/{number}")["content"] for number in (1, 2, 3, 4)] == texts
    assert {each["author_id"] for each in listed["items"]} == {str(ada.id)}


def test_a_put_makes_one_event_and_one_version_whatever_it_changes(api: Api) -> None:
    ada = api.account("pro")
    path = ada.document("Notes", "Otters.")
    saved = ada.write("PUT", path, json={"title": "New", "content": "Beavers.", "status": "published"})
    assert (saved.headers["ETag"], saved.json()["version"]) == ('"2"', 2)
    assert [each.type for each in heard(ada.client) if each.data.get("document_id") == saved.json()["id"]] == [
        "palimpsest.document.created.v1", "palimpsest.document.saved.v1",
    ]  # fmt: skip
    latest, first = ada.read(f"{path}/versions")["items"]
    assert (latest["version"], latest["title"], latest["status"]) == (2, "New", "published")
    assert first["version"] == 1
    assert ada.read(f"{path}/versions/2") == saved.json()
    assert ada.client.get(f"{path}/versions/3").status_code == 404


def test_sharing_changes_neither_the_version_nor_its_tag(api: Api) -> None:
    ada = api.account(verified=True)
    path = ada.document("Notes", "Otters.")
    before = ada.client.get(path)
    shared = ada.write("POST", f"{path}/shares", json={"email": "bob@example.org", "role": "viewer"})
    assert (shared.headers["ETag"], shared.content) == (before.headers["ETag"], before.content)
    assert ada.client.get(path, headers={"If-None-Match": before.headers["ETag"]}).status_code == 304
    body = {"title": "Notes", "content": "Beavers.", "status": "draft"}
    saved = ada.write("PUT", path, json=body, headers={"If-Match": before.headers["ETag"]})
    assert saved.headers["ETag"] == '"2"'
    assert [ada.read(f"{path}/versions/{number}")["content"] for number in (1, 2)] == ["Otters.", "Beavers."]
    assert [each["version"] for each in ada.read(f"{path}/versions")["items"]] == [2, 1]


def test_in_the_trash_a_document_has_another_tag_of_the_same_version(api: Api) -> None:
    ada = api.account()
    path = ada.document()
    tags = [ada.client.get(path).headers["ETag"]]
    for _ in range(2):
        tags.append(ada.write("DELETE", path, headers={"If-Match": tags[-1]}).headers["ETag"])
        ada.read(path)
        read = ada.client.get(path)
        assert (read.headers["ETag"], read.json()["version"]) == (tags[-1], 1)
        known = [ada.client.get(path, headers={"If-None-Match": tag}).status_code for tag in tags]
        assert known == [200] * (len(tags) - 1) + [304]
        tags.append(ada.write("POST", f"{path}/restore", headers={"If-Match": tags[-1]}).headers["ETag"])
    assert tags[0] == tags[2] == tags[4] == '"1"'
    assert len({tags[1], tags[3]}) == 2
    assert [each["version"] for each in ada.read(f"{path}/versions")["items"]] == [1]


def test_an_old_version_is_restored_as_a_new_one(api: Api) -> None:
    ada = api.account()
    path = ada.document("Notes", "Otters.")
    ada.write("PUT", path, json={"title": "Changed", "content": "Beavers.", "status": "draft"})
    restored = ada.write("POST", f"{path}/versions/1/restore").json()
    assert (restored["title"], restored["content"]) == ("Notes", "Otters.")
    assert ada.read(path) == restored
    assert ada.read(f"{path}/versions")["items"][0]["restored_version"] == 1


def test_a_document_goes_into_the_trash_and_out_of_it(api: Api) -> None:
    ada = api.account()
    path = ada.document()
    trashed = ada.write("DELETE", path).json()
    assert trashed["trashed_at"] is not None
    assert ada.read("/v1/documents")["items"] == []
    assert [each["id"] for each in ada.read("/v1/documents?trashed=true")["items"]] == [trashed["id"]]
    refused = ada.client.put(path, json={"title": "x", "content": "", "status": "draft"})
    assert (refused.status_code, refused.json()["code"]) == (409, "document_is_trashed")
    ada.write("POST", f"{path}/restore")
    assert ada.read(path)["trashed_at"] is None


def test_a_list_is_filtered_sorted_and_paged(api: Api) -> None:
    ada = api.account("pro")
    paths = [ada.document(f"Notes {number}") for number in (3, 1, 2, 5, 4)]
    ada.write("PUT", paths[0], json={"title": "Notes 3", "content": "", "status": "published"})

    def titles(query: str) -> list[str]:
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = ada.read(f"/v1/documents?limit=2&{query}{cursor}")
            assert len(page["items"]) <= 2
            found += [each["title"][-1] for each in page["items"]]
            cursor = page["next"] and f"&cursor={page['next']}"
        return found

    assert titles("") == list("45213")
    assert titles("sort=created_at") == list("31254")
    assert titles("sort=title") == list("12345")
    assert titles("sort=-title") == list("54321")
    assert titles("sort=-updated_at")[0] == "3"
    assert titles("status=published") == ["3"]
    assert titles("status=draft&sort=title") == list("1245")


def test_what_has_not_changed_is_not_sent_again(api: Api) -> None:
    ada = api.account()
    made = ada.write("POST", "/v1/documents", 201, json={"title": "Notes"})
    known = {"If-None-Match": made.headers["ETag"]}
    assert ada.client.get(made.headers["Location"], headers=known).status_code == 304
    ada.write("PUT", made.headers["Location"], json={"title": "New", "content": "", "status": "draft"})
    assert ada.client.get(made.headers["Location"], headers=known).status_code == 200


def test_fifty_at_once_with_one_document_left_give_one_document(api: Api) -> None:
    ada = api.account()
    for _ in range(4):
        ada.document()
    answers = at_once(ada, [httpx2.Request("POST", f"{api.url}/v1/documents", json={"title": "Last"})] * 50)
    codes = Counter(answer.json().get("code") for answer in answers if answer.status_code != 201)
    assert [answer.status_code for answer in answers].count(201) == 1
    assert set(codes) <= {"quota_exceeded", "busy"}
    ada.client.headers["Consistency-Token"] = newest(answers)
    assert len(ada.read("/v1/documents")["items"]) == 5
    assert ada.read("/v1/subscription")["documents_used"] == 5


def test_of_many_changes_to_one_version_one_is_made(api: Api) -> None:
    ada = api.account()
    path = ada.document()
    requests = [
        httpx2.Request(
            "PUT",
            f"{api.url}{path}",
            json={"title": f"Notes {number}", "content": "", "status": "draft"},
            headers={"If-Match": '"1"'},
        )
        for number in range(20)
    ]
    answers = at_once(ada, requests)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 19}


def test_one_key_gives_one_document_however_often_it_comes(api: Api) -> None:
    ada = api.account()
    headers = {"Idempotency-Key": "same"}
    request = httpx2.Request("POST", f"{api.url}/v1/documents", json={"title": "Once"}, headers=headers)
    answers = [*at_once(ada, [request] * 20), *at_once(ada, [request])]
    told = [answer for answer in answers if answer.status_code == 201]
    assert {answer.json()["code"] for answer in answers if answer.status_code != 201} <= {"in_flight"}
    assert len({answer.content for answer in told}) == 1
    assert [answer.headers.get("Idempotency-Replayed") for answer in told].count(None) == 1
    assert told[-1].headers["Idempotency-Replayed"] == "true"
    ada.client.headers["Consistency-Token"] = newest(answers)
    assert len(ada.read("/v1/documents")["items"]) == 1


def test_a_key_belongs_to_whoever_used_it(api: Api) -> None:
    ada, bob = api.account(), api.account()
    headers = {"Idempotency-Key": "first"}
    theirs = [
        each.write("POST", "/v1/documents", 201, json={"title": "Notes"}, headers=headers).json()["id"]
        for each in (ada, bob)
    ]
    assert theirs[0] != theirs[1]


def test_a_long_text_passes_and_a_longer_body_does_not(api: Api) -> None:
    ada = api.account()
    path = ada.document("Long", "\N{OTTER}" * 1_000_000)
    assert len(ada.read(path)["content"]) == 1_000_000
    answer = ada.client.post("/v1/documents", json={"title": "Longer", "content": "x" * 12_100_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def at_once(account: Account, requests: Iterable[httpx2.Request]) -> list[httpx2.Response]:
    """Send all of them at the same time."""

    async def send() -> list[httpx2.Response]:
        limits = httpx2.Limits(max_connections=100)
        async with httpx2.AsyncClient(headers=account.client.headers, timeout=30, limits=limits) as client:
            made = [
                client.build_request(each.method, each.url, content=each.content, headers=each.headers)
                for each in requests
            ]
            return await asyncio.gather(*map(client.send, made))

    return asyncio.run(send())


def newest(answers: Iterable[httpx2.Response]) -> str:
    """The Consistency-Token of the last write."""
    return str(max(int(answer.headers.get("Consistency-Token", 0)) for answer in answers))
