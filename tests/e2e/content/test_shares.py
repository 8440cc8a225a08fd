"""Sharing documents: what lists, refusals and revocations show to people of each role."""

from typing import Any, Literal, get_args

import pytest

from tests.support.api import Account, Api

Role = Literal["owner", "editor", "commenter", "viewer", "stranger", "unverified"]

BODY = {"title": "Changed", "content": "Changed.", "status": "draft"}


@pytest.fixture(scope="module")
def people(api: Api) -> dict[Role, Account]:
    """One account for each role. The unverified one has claimed the address that is shared with."""
    return {role: api.account("pro", verified=role != "unverified") for role in get_args(Role)}


@pytest.fixture(scope="module")
def shared(people: dict[Role, Account]) -> str:
    """The path of a document that is shared with everyone but the stranger."""
    owner = people["owner"]
    path = owner.document()
    for role in ("editor", "commenter", "viewer"):
        owner.write("POST", f"{path}/shares", json={"email": people[role].email, "role": role})
    owner.write("POST", f"{path}/shares", json={"email": people["unverified"].email, "role": "editor"})
    token = owner.client.headers["Consistency-Token"]
    for account in people.values():
        account.client.headers["Consistency-Token"] = token
    return path


NOWHERE = "/v1/documents/0198f1c2-0000-7c4d-9e5f-0a1b2c3d4e5f"
BLANK = {"title": " ", "content": "\0", "status": "draft"}
NO_ADDRESS = {"email": "abc", "role": "editor"}
UNUSABLE: list[tuple[str, str, Any, int]] = [
    ("PUT", "", BLANK, 404),
    ("POST", "/versions/99/restore", None, 404),
    ("POST", "/shares", NO_ADDRESS, 422),
    ("PUT", "/shares", NO_ADDRESS, 422),
    ("POST", "/shares/revoke", {"email": "abc"}, 422),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), UNUSABLE)
def test_what_makes_no_sense_does_not_tell_whether_a_document_exists(
    people: dict[Role, Account], shared: str, method: str, path: str, body: Any, status: int
) -> None:
    stranger = people["stranger"].client
    theirs, none = (stranger.request(method, document + path, json=body) for document in (shared, NOWHERE))
    assert (theirs.status_code, none.status_code) == (status, status)
    assert theirs.json()["detail"] == none.json()["detail"]


def test_what_is_shared_is_listed_with_the_role(people: dict[Role, Account], shared: str) -> None:
    listed = {
        role: [(f"/v1/documents/{each['id']}", each["role"]) for each in people[role].read("/v1/documents")["items"]]
        for role in people
    }
    assert listed["viewer"] == [(shared, "viewer")]
    assert listed["editor"] == [(shared, "editor")]
    assert listed["stranger"] == listed["unverified"] == []


def test_a_list_holds_ones_own_the_others_or_both(api: Api) -> None:
    ada, bob = api.account(verified=True), api.account(verified=True)
    own, theirs = bob.document("Own"), ada.document("Shared")
    ada.write("POST", f"{theirs}/shares", json={"email": bob.email, "role": "viewer"})
    bob.client.headers["Consistency-Token"] = ada.client.headers["Consistency-Token"]
    found = {
        query: {f"/v1/documents/{each['id']}" for each in bob.read(f"/v1/documents{query}")["items"]}
        for query in ("", "?shared=true", "?shared=false")
    }
    assert found == {"": {own, theirs}, "?shared=true": {theirs}, "?shared=false": {own}}
    assert api.account().read("/v1/documents?shared=true") == {"items": [], "next": None, "total": None}


def test_after_a_revocation_nobody_reads_not_even_at_once(api: Api) -> None:
    ada, bob = api.account("pro", verified=True), api.account("pro", verified=True)
    for _ in range(10):
        path = ada.document()
        ada.write("POST", f"{path}/shares", json={"email": bob.email, "role": "editor"})
        bob.client.headers["Consistency-Token"] = ada.client.headers["Consistency-Token"]
        assert bob.read(path)["title"] == "Notes"
        del bob.client.headers["Consistency-Token"]
        ada.write("POST", f"{path}/shares/revoke", json={"email": bob.email})
        assert bob.client.get(path).status_code == 404
        assert bob.client.get(f"{path}/versions").status_code == 404
        assert bob.client.put(path, json=BODY).status_code == 404


def test_the_owner_sees_with_whom_a_document_is_shared(api: Api) -> None:
    ada = api.account(verified=True)
    path = ada.document()
    for email, role in (("b@example.org", "viewer"), ("a@example.org", "editor"), ("B@example.org", "commenter")):
        ada.write("POST", f"{path}/shares", json={"email": email, "role": role})
    assert ada.read(f"{path}/shares") == [
        {"email": "a@example.org", "role": "editor", "used": False},
        {"email": "b@example.org", "role": "commenter", "used": False},
    ]


def holding(api: Api, account: Account, email: str) -> Account:
    """The account after its user has verified this address in place of the former one."""
    client = api.client(api.token(account.id, email))
    client.headers["Consistency-Token"] = account.client.headers["Consistency-Token"]
    return Account(account.id, email, client)


@pytest.mark.parametrize("use", ["read", "versions", "version", "write"])
def test_who_uses_a_share_first_keeps_it_and_the_next_holder_of_the_address_gets_nothing(api: Api, use: str) -> None:
    ada, bob, eve = (api.account("pro", verified=True) for _ in range(3))
    path = ada.document()
    ada.write("POST", f"{path}/shares", json={"email": bob.email, "role": "editor"})
    for account in (bob, eve):
        account.client.headers["Consistency-Token"] = ada.client.headers["Consistency-Token"]
    assert [each["role"] for each in bob.read("/v1/documents?shared=true")["items"]] == ["editor"]
    assert ada.read(f"{path}/shares") == [{"email": bob.email, "role": "editor", "used": False}], "a list is no use"
    match use:
        case "read":
            bob.read(path)
        case "versions":
            bob.read(f"{path}/versions")
        case "version":
            bob.read(f"{path}/versions/1")
        case "write":
            assert bob.client.put(path, json=BODY).status_code == 200
    heir, moved = holding(api, eve, bob.email), holding(api, bob, eve.email)
    for where in (path, f"{path}/versions", f"{path}/versions/1"):
        assert heir.client.get(where).status_code == 404
        moved.read(where)
    assert heir.client.put(path, json=BODY).status_code == 404
    moved.write("PUT", path, json=BODY)
    ada.client.headers["Consistency-Token"] = heir.client.headers["Consistency-Token"] = moved.client.headers[
        "Consistency-Token"
    ]
    assert heir.read("/v1/documents?shared=true")["items"] == []
    assert [each["role"] for each in moved.read("/v1/documents?shared=true")["items"]] == ["editor"]
    assert ada.read(f"{path}/shares") == [{"email": bob.email, "role": "editor", "used": True}]
    ada.write("POST", f"{path}/shares/revoke", json={"email": bob.email})
    assert moved.client.get(path).status_code == 404
