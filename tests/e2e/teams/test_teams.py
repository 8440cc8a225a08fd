"""Teams through the whole service."""

from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import Account, Api


def test_a_team_is_founded_and_read_by_its_members_alone(api: Api) -> None:
    ada, bob = api.account(), api.account()
    founded = ada.write("POST", "/v1/teams", 201, json={"name": "River watch", "slug": "river-watch"})
    path = founded.headers["Location"]
    assert ada.read(path) == founded.json()
    assert [(each["user_id"], each["role"]) for each in ada.read(f"{path}/members")] == [(str(ada.id), "owner")]
    bob.client.headers["Consistency-Token"] = founded.headers["Consistency-Token"]
    bob.read(path, 404)
    bob.read(f"{path}/members", 404)


def test_a_slug_is_its_teams_alone(api: Api) -> None:
    ada, bob = api.account(), api.account()
    body = {"name": "Otters", "slug": "otters"}
    ada.write("POST", "/v1/teams", 201, json=body)
    answer = bob.client.post("/v1/teams", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "taken")


def test_ones_teams_are_listed_in_pages(api: Api) -> None:
    ada = api.account()
    slugs = [f"team-{number}" for number in range(3)]
    for slug in slugs:
        ada.write("POST", "/v1/teams", 201, json={"name": slug, "slug": slug})
    first = ada.read("/v1/teams?limit=2")
    second = ada.read(f"/v1/teams?limit=2&cursor={first['next']}")
    assert [team["slug"] for team in first["items"] + second["items"]] == slugs
    assert second["next"] is None
    assert api.account().read("/v1/teams") == {"items": [], "next": None}


def test_somebody_is_invited_accepts_is_promoted_and_put_out(api: Api) -> None:
    ada, bob = api.account(verified=True), api.account(verified=True)
    path = ada.write("POST", "/v1/teams", 201, json={"name": "Beavers", "slug": "beavers"}).headers["Location"]
    invited = ada.write("POST", f"{path}/invitations", json={"email": bob.email, "role": "editor"}).json()
    assert (invited["members"], invited["seats_taken"]) == (1, 2)
    bob.client.headers["Consistency-Token"] = ada.client.headers["Consistency-Token"]
    assert bob.read(path)["name"] == "Beavers"
    bob.read(f"{path}/members", 404)
    bob.write("POST", f"{path}/invitations/accept")
    assert {each["user_id"] for each in bob.read(f"{path}/members")} == {str(ada.id), str(bob.id)}
    refused = bob.client.put(path, json={"name": "Otters"})
    assert (refused.status_code, refused.json()["code"]) == (403, "role_too_low")
    ada.write("PUT", f"{path}/members/{bob.id}", json={"role": "admin"})
    bob.write("PUT", path, json={"name": "Otters"})
    assert bob.read(path)["name"] == "Otters"
    ada.write("DELETE", f"{path}/members/{bob.id}")
    assert bob.client.get(path).status_code == bob.client.get(f"{path}/members").status_code == 404


def test_a_team_keeps_an_owner_until_it_is_dissolved(api: Api) -> None:
    ada, bob = api.account(verified=True), api.account(verified=True)
    path = ada.write("POST", "/v1/teams", 201, json={"name": "Voles", "slug": "voles"}).headers["Location"]
    refused = ada.client.post(f"{path}/leave")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
    ada.write("POST", f"{path}/invitations", json={"email": bob.email})
    bob.write("POST", f"{path}/invitations/accept")
    ada.write("POST", f"{path}/ownership-offer", json={"user_id": str(bob.id)})
    bob.client.headers["Consistency-Token"] = ada.client.headers["Consistency-Token"]
    offer = bob.read(f"{path}/ownership-offer")
    assert (offer["owner_id"], offer["user_id"]) == (str(ada.id), str(bob.id))
    bob.write("POST", f"{path}/ownership-offer/accept")
    bob.read(f"{path}/ownership-offer", 404)
    assert ada.write("POST", f"{path}/leave", 204).content == b""
    bob.write("DELETE", path)
    assert bob.read(path)["dissolution_due"] is not None
    refused = bob.client.put(path, json={"name": "Mice"})
    assert (refused.status_code, refused.json()["code"]) == (409, "dissolution_is_requested")
    bob.write("POST", f"{path}/withdraw-dissolution")
    assert bob.read(path)["dissolution_due"] is None
    bob.write("PUT", path, json={"name": "Mice"})


def test_a_declined_or_revoked_invitation_frees_its_seat_and_shows_nothing(api: Api) -> None:
    ada, bob, eve = (api.account(verified=True) for _ in range(3))
    path = ada.write("POST", "/v1/teams", 201, json={"name": "Newts", "slug": "newts"}).headers["Location"]
    for each in (bob, eve):
        ada.write("POST", f"{path}/invitations", json={"email": each.email})
    bob.write("POST", f"{path}/invitations/decline", 204)
    ada.write("POST", f"{path}/invitations/revoke", json={"email": eve.email})
    assert eve.client.get(path).status_code == 404
    bob.read(path, 404)
    assert ada.read(path)["seats_taken"] == 1


def test_a_team_without_a_free_seat_says_what_to_do(api: Api) -> None:
    ada, others = api.account(), [f"{uuid4()}@example.org" for _ in range(5)]
    path = ada.write("POST", "/v1/teams", 201, json={"name": "Moles", "slug": "moles-full"}).headers["Location"]
    for email in others[:4]:
        ada.write("POST", f"{path}/invitations", json={"email": email})
    full = ada.read(path)
    assert (full["seats"], full["seats_taken"], full["members"]) == (5, 5, 1)
    refused = ada.client.post(f"{path}/invitations", json={"email": others[4]})
    assert (refused.status_code, refused.json()["code"]) == (409, "team_is_full")
    assert "5 seats (members: 1, open invitations: 4). Remove members, revoke" in refused.json()["detail"]
    many = {"invitations": [{"email": others[4]}, {"email": others[0], "role": "editor"}]}
    outcomes = ada.write("POST", f"{path}/invitation-batches", json=many).json()["outcomes"]
    assert outcomes == ["team_is_full", "invited"]
    ada.write("POST", f"{path}/invitations/revoke", json={"email": others[0]})
    assert ada.write("POST", f"{path}/invitations", json={"email": others[4]}).json()["seats_taken"] == 5


def test_invitations_are_sent_listed_and_answered(api: Api) -> None:
    ada, bob = api.account(verified=True), api.account(verified=True)
    path = ada.write("POST", "/v1/teams", 201, json={"name": "Toads", "slug": "toads"}).headers["Location"]
    both = [{"email": bob.email, "role": "viewer"}, {"email": "nothing", "role": "guest"}]
    answer = ada.write("POST", f"{path}/invitation-batches", json={"invitations": both})
    assert answer.json() == {"outcomes": ["invited", "unusable_email"]}
    [listed] = ada.read(f"{path}/invitations")
    assert (listed["email"], listed["role"], listed["invited_by"]) == (bob.email, "viewer", str(ada.id))
    again = ada.client.post(f"{path}/invitations/resend", json={"email": bob.email})
    assert (again.status_code, again.json()["code"]) == (409, "invited_recently")
    bob.client.headers["Consistency-Token"] = ada.client.headers["Consistency-Token"]
    [own] = bob.read("/v1/invitations")["items"]
    assert (own["team_id"], own["team_name"], own["role"]) == (path.rpartition("/")[2], "Toads", "viewer")
    bob.read(f"{path}/invitations", 404)
    bob.write("POST", f"{path}/invitations/accept")
    assert bob.read("/v1/invitations")["items"] == []


def test_what_happened_in_a_team_is_listed_for_its_admins_in_pages(api: Api) -> None:
    ada, bob = api.account(verified=True), api.account(verified=True)
    path = ada.write("POST", "/v1/teams", 201, json={"name": "Frogs", "slug": "frogs"}).headers["Location"]
    ada.write("PUT", f"{path}/slug", json={"slug": "tree-frogs"})
    ada.write("POST", f"{path}/invitations", json={"email": bob.email, "role": "viewer"})
    bob.write("POST", f"{path}/invitations/accept")
    ada.client.headers["Consistency-Token"] = bob.client.headers["Consistency-Token"]
    first = ada.read(f"{path}/activity?limit=2")
    second = ada.read(f"{path}/activity?limit=2&cursor={first['next']}")
    actions = [entry["action"] for entry in first["items"] + second["items"]]
    assert actions == ["invitation_accepted", "member_invited", "slug_changed", "founded"]
    assert (first["items"][0]["user_id"], first["items"][0]["role"]) == (str(bob.id), "viewer")
    assert second["next"] is None
    assert "tree-frogs" not in str([first, second])
    bob.read(f"{path}/activity", 403)


NOWHERE = "/v1/teams/0198f1c2-0000-7c4d-9e5f-0a1b2c3d4e5f"
UNUSABLE: list[tuple[str, str, Any, int]] = [
    ("PUT", "", {"name": " "}, 404),
    ("PUT", f"/members/{NOWHERE[-36:]}", {"role": "admin"}, 404),
    ("POST", "/ownership-offer", {"user_id": NOWHERE[-36:]}, 404),
    ("POST", "/invitations", {"email": "abc"}, 422),
    ("POST", "/invitations/revoke", {"email": "abc"}, 422),
]


@pytest.fixture(scope="module")
def another_ones(api: Api) -> tuple[Account, str]:
    """A stranger, and the path of a team they are not in."""
    team = api.account().write("POST", "/v1/teams", 201, json={"name": "Shrews", "slug": "shrews"})
    return api.account(), team.headers["Location"]


@pytest.mark.parametrize(("method", "path", "body", "status"), UNUSABLE)
def test_what_makes_no_sense_does_not_tell_whether_a_team_exists(
    another_ones: tuple[Account, str], method: str, path: str, body: Any, status: int
) -> None:
    stranger, team = another_ones
    theirs, none = (stranger.client.request(method, each + path, json=body) for each in (team, NOWHERE))
    assert (theirs.status_code, none.status_code) == (status, status)
    assert theirs.json()["detail"] == none.json()["detail"]
