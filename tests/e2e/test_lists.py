"""Lists in pages have one manner: a link to the next page, a tag, and JSON Lines on request."""

import json

import pytest

from application.identity.suspension import RequestDeletion
from tests.support.api import Account, Api
from tests.support.http import PASSWORD


def saved_often(account: Account) -> str:
    """The path of the versions of a document with three of them."""
    path = account.document("Notes", "1")
    for content in ("2", "3"):
        account.write("PUT", path, json={"title": "Notes", "content": content, "status": "draft"})
    return f"{path}/versions"


def of_teams(account: Account) -> str:
    """The path of the teams of a member of three."""
    for slug in ("lists-1", "lists-2", "lists-3"):
        account.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": slug})
    return "/v1/teams"


@pytest.mark.parametrize("make", [saved_often, of_teams])
def test_a_list_is_read_by_its_links_or_in_lines_and_once(api: Api, make: object) -> None:
    ada = api.account("pro")
    path = make(ada)  # type: ignore[operator]
    whole = ada.read(path)["items"]
    found, target = [], f"{path}?limit=2"
    while target:
        answer = ada.client.get(target)
        again = ada.client.get(target, headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])
        found += answer.json()["items"]
        target = answer.links.get("next", {}).get("url", "")
    assert found == whole
    assert len(whole) == 3
    lines = ada.client.get(f"{path}?limit=2", headers={"Accept": "application/jsonl"})
    assert lines.headers["Content-Type"].startswith("application/jsonl")
    assert [json.loads(line) for line in lines.text.splitlines()] == whole
    asked = {"Accept": "application/jsonl", "If-Match": '"another"'}
    refused = ada.client.get(path, headers=asked)
    assert (refused.status_code, refused.json()["code"]) == (400, "unsupported_condition")


def test_names_of_people_come_beside_their_ids_on_request(api: Api) -> None:
    ada, bob = api.account("pro"), api.account("pro")
    ada.write("PUT", "/v1/users/me", json={"name": "Ada"})
    versions = saved_often(ada)
    assert {each["author_name"] for each in ada.read(f"{versions}?expand=author")["items"]} == {"Ada"}
    assert {each["author_name"] for each in ada.read(versions)["items"]} == {None}
    team = ada.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": "named-people"}).headers["Location"]
    ada.write("POST", f"{team}/invitations", json={"email": bob.email, "role": "viewer"})
    bob.write("POST", f"{team}/invitations/accept")
    ada.client.headers["Consistency-Token"] = bob.client.headers["Consistency-Token"]
    assert [each["user_name"] for each in ada.read(f"{team}/members?expand=user")] == ["Ada", "Somebody"]
    assert [each["user_name"] for each in ada.read(f"{team}/members")] == [None, None]
    latest = ada.read(f"{team}/activity?expand=user&limit=1")["items"][0]
    assert (latest["action"], latest["user_name"]) == ("invitation_accepted", "Somebody")
    api.send(RequestDeletion(password=PASSWORD), bob.id)
    assert [each["user_name"] for each in ada.read(f"{team}/members?expand=user")] == ["Ada", None]
    for path in (f"{versions}?expand=user", f"{team}/members?expand=author", f"{team}/activity?expand="):
        assert ada.client.get(path).status_code == 422


def test_a_list_has_another_tag_after_a_change_and_does_not_exist_for_strangers(api: Api) -> None:
    ada, bob = api.account("pro"), api.account("pro")
    path = saved_often(ada)
    before = ada.client.get(path).headers["ETag"]
    ada.write("PUT", path.removesuffix("/versions"), json={"title": "Notes", "content": "4", "status": "draft"})
    after = ada.client.get(path, headers={"If-None-Match": before})
    assert after.status_code == 200
    assert after.headers["ETag"] != before
    for accept in ("application/json", "application/jsonl"):
        assert bob.client.get(path, headers={"Accept": accept}).status_code == 404
