"""Share links over HTTP: a token in bodies only, and access that ends with the answer to the revocation."""

from datetime import timedelta
from typing import Any

import pytest

from infra.bootstrap.write_side import utc_now
from tests.support.api import Account, Api

PASSWORD = "willow under glass"


def caught_up(reader: Account, writer: Account) -> Account:
    """The reader, whose next reads show what the writer wrote."""
    reader.client.headers["Consistency-Token"] = writer.client.headers["Consistency-Token"]
    return reader


@pytest.fixture(scope="module")
def people(api: Api) -> tuple[Account, Account]:
    """An owner and a guest."""
    return api.account("pro"), api.account("pro")


def link(owner: Account, path: str, **body: Any) -> Any:
    return owner.write("POST", f"{path}/links", 201, json={"role": "editor", **body}).json()


def test_a_guest_reads_and_writes_until_the_link_is_revoked(people: tuple[Account, Account]) -> None:
    owner, guest = people
    path = owner.document()
    made = link(owner, path)
    guest.client.headers.pop("Consistency-Token", None)
    assert guest.client.get(path).status_code == 404
    opened = guest.write("POST", "/v1/share-links/open", 201, json={"token": made["token"]})
    assert opened.json() == {"id": path.rpartition("/")[2], "role": "editor"}
    assert guest.read(path)["title"] == "Notes"
    assert path.rpartition("/")[2] in {each["id"] for each in guest.read("/v1/documents")["items"]}
    guest.write("PUT", path, json={"title": "Guest", "content": "was here", "status": "draft"})
    [listed] = caught_up(owner, guest).read(f"{path}/links")
    assert (listed["id"], listed["uses"], "token" in listed) == (made["id"], 1, False)
    owner.write("DELETE", f"{path}/links/{made['id']}", 204)
    for method, body in (("GET", None), ("PUT", {"title": "B", "content": "", "status": "draft"})):
        assert guest.client.request(method, path, json=body).status_code == 404
    assert guest.client.get(f"{path}/versions/1").status_code == 404
    assert guest.client.post("/v1/share-links/open", json={"token": made["token"]}).status_code == 404


def test_a_password_and_an_end_are_asked_for(people: tuple[Account, Account]) -> None:
    owner, guest = people
    path = owner.document()
    made = link(owner, path, password=PASSWORD, expires_at=(utc_now() + timedelta(days=1)).isoformat())
    refused = guest.client.post("/v1/share-links/open", json={"token": made["token"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_link_password")
    guest.write("POST", "/v1/share-links/open", 201, json={"token": made["token"], "password": PASSWORD})
    assert guest.read(path)["title"] == "Notes"
    late = owner.client.post(f"{path}/links", json={"role": "viewer", "expires_at": "2020-01-01T00:00:00Z"})
    assert (late.status_code, late.json()["code"]) == (422, "expires_in_the_past")


def test_a_guest_who_leaves_has_no_access(people: tuple[Account, Account]) -> None:
    owner, guest = people
    path = owner.document()
    guest.write("POST", "/v1/share-links/open", 201, json={"token": link(owner, path)["token"]})
    guest.read(path)
    guest.write("DELETE", f"{path}/shares/me", 204)
    assert guest.client.get(path).status_code == 404


def test_a_repeated_request_creates_one_link(people: tuple[Account, Account]) -> None:
    owner, _ = people
    path = owner.document()
    answers = [
        owner.write("POST", f"{path}/links", 201, json={"role": "viewer"}, headers={"Idempotency-Key": "once"}).json()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert len(owner.read(f"{path}/links")) == 1


def test_the_owner_sees_who_has_access_and_why_and_each_person_their_own_reasons(
    people: tuple[Account, Account],
) -> None:
    owner, guest = people
    path = owner.document()
    viewing, editing = link(owner, path, role="viewer"), link(owner, path)
    for made in (viewing, editing):
        guest.write("POST", "/v1/share-links/open", 201, json={"token": made["token"]})
    owner.write("POST", f"{path}/shares", json={"email": guest.email, "role": "commenter"})
    owner.write("POST", f"{path}/shares", json={"email": "eve@example.org", "role": "viewer"})
    caught_up(guest, owner)
    own = guest.read(f"{path}/access/me")
    assert own["role"] == "editor"
    assert {(each["reason"], each["role"], each["link_id"]) for each in own["reasons"]} == {
        ("share", "commenter", None),
        ("link", "viewer", viewing["id"]),
        ("link", "editor", editing["id"]),
    }
    expected = {
        ("owner", "owner", str(owner.id), None, True, None, None),
        ("link", "viewer", str(guest.id), None, True, viewing["id"], None),
        ("link", "editor", str(guest.id), None, True, editing["id"], None),
        ("share", "commenter", None, guest.email, False, None, None),
        ("share", "viewer", None, "eve@example.org", False, None, None),
    }
    pages: list[dict[str, Any]] = []
    cursor: str | None = None
    while cursor is not None or not pages:
        query = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
        page = owner.read(f"{path}/access", params=query)
        pages += page["items"]
        cursor = page["next"]
    assert len(pages) == len(expected)
    assert {tuple(each.values()) for each in pages} == expected
    assert owner.read(f"{path}/access/me") == {
        "role": "owner",
        "reasons": [{"reason": "owner", "role": "owner", "link_id": None, "team_id": None}],
    }
    owner.write("DELETE", f"{path}/links/{editing['id']}", 204)
    assert guest.read(f"{path}/access/me")["role"] == "commenter"
