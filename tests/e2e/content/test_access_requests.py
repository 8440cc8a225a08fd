"""Access requests over HTTP: asking tells nothing, and an answer reaches the user who asked."""

import httpx2
import pytest
from uuid_utils.compat import uuid7

from tests.support.api import Account, Api
from tests.support.headers import telling


def caught_up(reader: Account, writer: Account) -> Account:
    """The reader, whose next reads show what the writer wrote."""
    reader.client.headers["Consistency-Token"] = writer.client.headers["Consistency-Token"]
    return reader


@pytest.fixture(scope="module")
def people(api: Api) -> tuple[Account, Account]:
    """An owner and another user."""
    return api.account("pro"), api.account("pro")


def asked(asker: Account, path: str, role: str = "viewer") -> httpx2.Response:
    return asker.write("POST", f"{path}/access-requests", 204, json={"role": role, "message": "For the report."})


def test_who_asks_is_seen_by_the_owner_and_given_another_role(people: tuple[Account, Account]) -> None:
    owner, bob = people
    path = owner.document()
    asked(bob, path)
    [request] = caught_up(owner, bob).read(f"{path}/access-requests")["items"]
    seen = {"user_id": str(bob.id), "email": bob.email, "role": "viewer", "message": "For the report."}
    assert seen.items() <= request.items()
    owner.write("POST", f"{path}/access-requests/{bob.id}/accept", 204, json={"role": "editor"})
    assert owner.read(f"{path}/access-requests")["items"] == []
    assert caught_up(bob, owner).read(f"{path}/access/me")["role"] == "editor"
    assert bob.read(path)["title"] == "Notes"
    own = next(each for each in bob.read("/v1/access-requests")["items"] if each["document_id"] in path)
    assert (own["state"], own["role"], own["given_role"]) == ("accepted", "viewer", "editor")
    [share] = owner.read(f"{path}/shares")
    assert share == {"email": bob.email, "role": "editor", "used": True}


def test_a_declined_user_asks_again_a_week_later(people: tuple[Account, Account]) -> None:
    owner, bob = people
    path = owner.document()
    bob.write("POST", f"{path}/access-requests", 204, json={"role": "viewer"})
    assert caught_up(owner, bob).read(f"{path}/access-requests")["items"][0]["message"] is None
    assert bob.read("/v1/access-requests")["items"][-1]["message"] is None
    owner.write("POST", f"{path}/access-requests/{bob.id}/decline", 204)
    assert caught_up(bob, owner).read("/v1/access-requests")["items"][-1]["state"] == "declined"
    again = bob.client.post(f"{path}/access-requests", json={"role": "viewer"})
    assert (again.status_code, again.json()["code"]) == (409, "declined_recently")
    assert bob.client.get(path).status_code == 404


def test_asking_for_nothing_answers_as_asking_for_a_document(people: tuple[Account, Account]) -> None:
    owner, bob = people
    paths = [owner.document(), f"/v1/documents/{uuid7()}", owner.document()]
    owner.write("DELETE", paths[2])
    answers = [
        [
            asked(bob, path),
            asked(bob, path, "editor"),
            bob.write("DELETE", f"{path}/access-requests/me", 204),
            bob.client.post(f"{path}/access-requests", json={"role": "owner"}),
        ]
        for path in paths
    ]
    plain = [[(each.status_code, each.content, telling(each)) for each in of_one] for of_one in answers]
    assert [status for status, _, _ in plain[0]] == [204, 204, 204, 422]
    assert [answer[:3] for answer in plain] == [plain[0][:3]] * 3
    states = {each["document_id"]: each["state"] for each in bob.read("/v1/access-requests")["items"]}
    assert {states[path.rpartition("/")[2]] for path in paths} == {"withdrawn"}


def test_the_list_is_for_the_owner_and_has_pages(api: Api, people: tuple[Account, Account]) -> None:
    owner, bob = people
    path = owner.document()
    others = [bob, api.account(), api.account()]
    for other in others:
        asked(other, path)
        caught_up(owner, other)
    first = owner.read(f"{path}/access-requests?limit=2")
    second = owner.read(f"{path}/access-requests?limit=2&cursor={first['next']}")
    assert [each["user_id"] for each in first["items"] + second["items"]] == [str(other.id) for other in others]
    assert second["next"] is None
    bob.read(f"{path}/access-requests", 404)
