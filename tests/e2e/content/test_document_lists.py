"""Lists of documents, and what sorts them, through the whole service."""

import json

from tests.support.api import Account, Api


def titles(account: Account, query: str) -> list[str]:
    """The titles of the documents on the first page of a list."""
    return [each["title"] for each in account.read(f"/v1/documents?{query}")["items"]]


def test_documents_are_found_by_folder_tag_and_star(api: Api) -> None:
    ada = api.account("pro")
    paths = {name: ada.document(name) for name in ("one", "two", "three")}
    top = ada.write("POST", "/v1/folders", 201, json={"name": "Novels"}).json()["id"]
    inner = ada.write("POST", "/v1/folders", 201, json={"name": "Drafts", "parent_id": top}).json()["id"]
    ada.write("PUT", f"{paths['one']}/folder", 204, json={"folder_id": inner})
    ada.write("PUT", f"{paths['two']}/folder", 204, json={"folder_id": top})
    ada.write("PUT", f"{paths['two']}/tags", 204, json={"tags": ["Otters"]})
    ada.write("PUT", f"{paths['three']}/star", 204)
    assert titles(ada, f"folder={inner}") == ["one"]
    assert titles(ada, "folder=none") == ["three"]
    assert titles(ada, "tag=OTTERS") == ["two"]
    assert titles(ada, "starred=true") == ["three"]
    ada.write("DELETE", f"/v1/folders/{inner}", 204)
    assert titles(ada, f"folder={top}&sort=title") == ["one", "two"]
    assert ada.client.get(f"/v1/documents?folder={inner}").status_code == 404
    ada.write("DELETE", f"/v1/folders/{top}", 204)
    assert titles(ada, "folder=none&sort=title") == ["one", "three", "two"]
    assert ada.read(f"{paths['two']}/filing") == {"folder_id": None, "tags": ["otters"], "starred": False}


def test_breadcrumbs_lead_from_the_top_to_the_folder(api: Api) -> None:
    ada, bob = api.account(), api.account()
    above: str | None = None
    for name in ("Novels", "Drafts", "Old"):
        made = ada.write("POST", "/v1/folders", 201, json={"name": name, "parent_id": above})
        above = made.json()["id"]
    assert [each["name"] for each in ada.read(f"/v1/folders/{above}")["path"]] == ["Novels", "Drafts", "Old"]
    assert [each["name"] for each in ada.read("/v1/folders")["items"]] == ["Novels", "Drafts", "Old"]
    assert bob.client.get(f"/v1/folders/{above}").status_code == 404


def test_a_link_leads_to_the_next_page_with_the_same_filters(api: Api) -> None:
    ada = api.account("pro")
    for number in range(5):
        ada.document(f"{number}")
    found, target = [], "/v1/documents?limit=2&sort=title&fields=title&total=true"
    while target:
        answer = ada.client.get(target)
        assert answer.json()["total"] == 5
        found += answer.json()["items"]
        target = answer.links.get("next", {}).get("url", "")
    assert found == [{"title": f"{number}"} for number in range(5)]


def test_a_list_that_has_not_changed_is_not_sent_again(api: Api) -> None:
    ada = api.account()
    path = ada.document("Notes")
    first = ada.client.get("/v1/documents")
    known = {"If-None-Match": first.headers["ETag"]}
    assert (ada.client.get("/v1/documents", headers=known).status_code, first.headers["Cache-Control"]) == (
        304,
        "no-store",
    )
    ada.write("PUT", f"{path}/tags", 204, json={"tags": ["otters"]})
    changed = ada.client.get("/v1/documents", headers=known)
    assert changed.status_code == 200
    assert ada.client.get("/v1/documents", headers={"If-Match": first.headers["ETag"]}).status_code == 412
    assert ada.client.get("/v1/documents", headers={"If-Match": changed.headers["ETag"]}).status_code == 200


def test_json_lines_have_all_documents_of_all_pages(api: Api) -> None:
    ada = api.account("pro")
    for number in range(7):
        ada.document(f"{number}")
    query = "/v1/documents?sort=title&limit=3"
    answer = ada.client.get(query, headers={"Accept": "application/jsonl"})
    assert answer.headers["Content-Type"].startswith("application/jsonl")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines == ada.read("/v1/documents?sort=title&limit=100")["items"]
    few = ada.client.get(f"{query}&fields=id,title", headers={"Accept": "application/jsonl"}).text
    assert [list(json.loads(line)) for line in few.splitlines()] == [["id", "title"]] * 7


def test_the_owners_name_comes_with_a_document_that_is_shared(api: Api) -> None:
    ada, bob = api.account(verified=True), api.account(verified=True)
    path = ada.document("Notes")
    ada.write("POST", f"{path}/shares", json={"email": bob.email, "role": "viewer"})
    bob.client.headers["Consistency-Token"] = ada.client.headers["Consistency-Token"]
    [named] = bob.read("/v1/documents?expand=author&fields=owner_name,owner_id")["items"]
    assert named["owner_id"] == str(ada.id)
    assert named["owner_name"] == ada.read("/v1/users/me")["name"]


def test_a_field_or_an_order_that_lists_do_not_have_is_refused(api: Api) -> None:
    ada = api.account()
    for query in ("fields=id,content", "fields=", "folder=top", "tag=", "updated_since=2026", "expand=owner"):
        assert ada.client.get(f"/v1/documents?{query}").status_code == 422, query
