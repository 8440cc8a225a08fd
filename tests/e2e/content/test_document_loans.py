"""Loans to teams through the whole service: what members see, and what becomes of documents when a member leaves."""

from uuid import uuid4

import pytest

from tests.support.api import Account, Api


class World:
    """A team of Ada's with Bob, an editor, and a document of Bob's that is lent to it."""

    def __init__(self, api: Api) -> None:
        self.ada, self.bob = api.account("pro"), api.account("pro")
        founded = self.ada.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": uuid4().hex})
        self.team = founded.headers["Location"]
        self.team_id = self.team.rpartition("/")[2]
        self.ada.write("POST", f"{self.team}/invitations", json={"email": self.bob.email, "role": "editor"})
        self.bob.write("POST", f"{self.team}/invitations/accept")
        self.path = self.bob.document("Notes")
        self.lend()
        self.follow()

    def lend(self, role: str = "editor") -> None:
        """Let Bob lend the document."""
        self.bob.write("PUT", f"{self.path}/team-shares/{self.team_id}", json={"role": role})

    def follow(self) -> None:
        """Let Ada see what Bob wrote."""
        self.ada.client.headers["Consistency-Token"] = self.bob.client.headers["Consistency-Token"]


@pytest.fixture
def world(api: Api) -> World:
    return World(api)


def titles(account: Account, query: str = "") -> list[tuple[str, str]]:
    """The titles and roles in a list of documents."""
    return [(each["title"], each["role"]) for each in account.read(f"/v1/documents{query}")["items"]]


def test_members_find_what_is_lent_and_the_owner_sees_who_and_why(world: World) -> None:
    assert titles(world.ada) == [("Notes", "editor")]
    assert world.ada.read(f"{world.path}/access/me")["reasons"][0]["reason"] == "loan"
    world.ada.write(
        "PATCH", world.path, json={"title": "Notes"}, headers={"Content-Type": "application/merge-patch+json"}
    )
    reasons = world.bob.read(f"{world.path}/access")["items"]
    assert [(each["reason"], each["user_id"]) for each in reasons] == [
        ("owner", str(world.bob.id)),
        ("loan", str(world.ada.id)),
    ]
    [loan] = world.bob.read(f"{world.path}/team-shares")
    assert (loan["team_name"], loan["role"], loan["active"]) == ("Crew", "editor", True)
    world.bob.write("DELETE", f"{world.path}/team-shares/{world.team_id}")
    del world.ada.client.headers["Consistency-Token"]
    assert world.ada.client.get(world.path).status_code == 404


def test_a_member_who_leaves_sees_before_what_goes_back_and_what_stays(world: World) -> None:
    made = world.bob.write("POST", "/v1/documents", 201, json={"title": "Plan", "team_id": world.team_id})
    world.follow()
    preview = world.bob.read(f"{world.team}/leaving")
    assert [(each["title"], each["outcome"]) for each in preview["items"]] == [
        ("Notes", "goes_back"),
        ("Plan", "stays"),
    ]
    assert preview["counts"] == {"goes_back": 1, "stays": 1}
    assert world.ada.read(f"{world.team}/members/{world.bob.id}/leaving") == preview
    assert world.bob.client.get(f"{world.team}/members/{world.ada.id}/leaving").status_code == 403
    dissolution = world.ada.read(f"{world.team}/dissolution")
    assert dissolution["counts"] == {"ends": 1, "goes_back": 1}
    world.bob.write("POST", f"{world.team}/leave", 204)
    del world.ada.client.headers["Consistency-Token"]
    assert world.ada.client.get(world.path).status_code == 404
    assert world.ada.client.get(made.headers["Location"]).status_code == 200
    [loan] = world.bob.read(f"{world.path}/team-shares")
    assert (loan["team_name"], loan["active"]) == (None, False)


def test_what_was_lent_is_offered_to_the_team_before_its_owner_leaves(world: World) -> None:
    answer = world.bob.write("POST", f"{world.team}/lent-documents/offer")
    assert answer.json() == {"offered": 1, "more": False}
    assert world.bob.read("/v1/ownership-offers/made")["items"][0]["team_id"] == world.team_id
    world.bob.write("POST", f"{world.team}/leave", 204)
    world.follow()
    [offer] = world.ada.read("/v1/ownership-offers/received")["items"]
    assert (offer["team_id"], offer["owner_id"]) == (world.team_id, str(world.bob.id))
    accepted = world.ada.write("POST", f"{world.path}/ownership-offer/accept").json()
    assert (accepted["owner_kind"], accepted["owner_id"]) == ("team", world.team_id)
    assert titles(world.ada, f"?team={world.team_id}") == [("Notes", "owner")]
    world.bob.client.headers["Consistency-Token"] = world.ada.client.headers["Consistency-Token"]
    assert titles(world.bob) == [("Notes", "editor")]


def test_after_a_removal_the_members_lose_what_was_lent_at_once(world: World) -> None:
    world.ada.write("DELETE", f"{world.team}/members/{world.bob.id}")
    del world.ada.client.headers["Consistency-Token"]
    assert world.ada.client.get(world.path).status_code == 404
    assert titles(world.bob) == [("Notes", "owner")]
