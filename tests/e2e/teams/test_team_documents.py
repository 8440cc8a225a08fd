"""Documents and folders of a team through the whole service: members come to them and lose them at once."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from adapters.integration_events.contract import published
from tests.support.api import Account, Api
from tests.support.sse import Happened, heard, listening


@dataclass
class TeamOfTwo:
    """A team of an owner and a member, with a document and a folder."""

    owner: Account
    member: Account
    path: str
    document: str

    @property
    def id(self) -> str:
        """Its id."""
        return self.path.rpartition("/")[2]

    def listed(self, who: Account, **query: Any) -> list[tuple[str, str]]:
        """The documents of the team and the role, as a list shows them."""
        items = who.read("/v1/documents", params={"team": self.id, **query})["items"]
        return [(each["id"], each["role"]) for each in items]

    def copied(self, who: Account, since: str | None = None) -> tuple[dict[str, bool], str]:
        """What has changed for a client, and whether its list has it; the next token."""
        page = who.read("/v1/document-changes", params={} if since is None else {"since": since})
        return {each["id"]: each["document"] is not None for each in page["items"]}, page["next"]


@pytest.fixture
def team(api: Api) -> TeamOfTwo:
    owner, member = api.account("pro"), api.account("pro")
    founded = owner.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": f"crew-{owner.id}"[:40]})
    path = founded.headers["Location"]
    new = {"title": "Plan", "content": "Otters.", "team_id": path.rpartition("/")[2]}
    document = owner.write("POST", "/v1/documents", 201, json=new).headers["Location"]
    return TeamOfTwo(owner, member, path, document)


def join(team: TeamOfTwo, role: str = "editor") -> None:
    """Let the member join."""
    team.owner.write("POST", f"{team.path}/invitations", json={"email": team.member.email, "role": role})
    team.member.write("POST", f"{team.path}/invitations/accept")


def follow(reader: Account, writer: Account) -> None:
    """Let the reader's next reads show what the writer wrote."""
    reader.client.headers["Consistency-Token"] = writer.client.headers["Consistency-Token"]


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def about(path: str, found: list[Happened]) -> list[str]:
    """The kinds of events about a document."""
    return [each.type.split(".")[2] for each in found if each.data.get("document_id") == id_of(path)]


def test_a_member_has_the_documents_of_the_team_with_the_role_there(team: TeamOfTwo) -> None:
    member, document = team.member, team.document
    member.read(document, 404)
    _, since = team.copied(member)
    join(team)
    assert member.read(document)["owner_kind"] == "team"
    assert team.listed(member) == [(id_of(document), "editor")]
    follow(team.owner, member)
    assert team.listed(team.owner, owner=team.id, total=True) == [(id_of(document), "owner")]
    assert member.read("/v1/documents", params={"shared": True})["items"] == []
    assert team.copied(member, since)[0] == {id_of(document): True}
    member.write("PUT", document, json={"title": "Plan", "content": "Otters, two.", "status": "draft"})
    assert [each["version"] for each in member.read(f"{document}/versions")["items"]] == [2, 1]
    passages = member.read(f"{document}/versions/blame")["passages"]
    assert {each["author_id"] for each in passages} == {str(team.owner.id), str(member.id)}
    member.write("PUT", f"{document}/star", 204)
    member.write("PUT", f"{document}/tags", 204, json={"tags": ["rivers"]})
    assert team.listed(member, starred=True, tag="rivers") == [(id_of(document), "editor")]
    batch = member.write("POST", "/v1/document-batches", json={"ids": [id_of(document)], "action": "archive"})
    assert batch.json() == {"outcomes": ["done"]}


def test_reasons_of_access_name_the_team(team: TeamOfTwo) -> None:
    join(team, "viewer")
    team.owner.write("POST", f"{team.document}/shares", json={"email": team.member.email, "role": "editor"})
    follow(team.member, team.owner)
    found = team.member.read(f"{team.document}/access/me")
    reasons = {(each["reason"], each["role"], each["team_id"]) for each in found["reasons"]}
    assert (found["role"], reasons) == ("editor", {("team", "viewer", team.id), ("share", "editor", None)})
    assert team.listed(team.member) == [(id_of(team.document), "editor")]
    all_access = team.owner.read(f"{team.document}/access")["items"]
    by_team = {(each["user_id"], each["role"]) for each in all_access if each["reason"] == "team"}
    assert by_team == {(str(team.owner.id), "owner"), (str(team.member.id), "viewer")}
    assert len(all_access) == 3


def test_a_document_of_the_team_is_filed_in_its_folders(team: TeamOfTwo) -> None:
    join(team)
    made = team.member.write("POST", f"{team.path}/folders", 201, json={"name": "Rivers"})
    folder = made.json()["id"]
    assert made.headers["Location"] == f"{team.path}/folders/{folder}"
    team.member.write("PUT", f"{team.document}/folder", 204, json={"folder_id": folder})
    follow(team.owner, team.member)
    assert team.listed(team.owner, folder=folder) == [(id_of(team.document), "owner")]
    assert team.listed(team.owner, folder="none") == []
    assert team.owner.read("/v1/documents", params={"folder": "none"})["items"] == []
    own = team.member.document()
    assert team.member.client.put(f"{own}/folder", json={"folder_id": folder}).status_code == 404


@pytest.mark.parametrize("end", ["removed", "left", "made a guest"])
def test_a_member_who_is_gone_reads_and_hears_nothing_more(team: TeamOfTwo, end: str) -> None:
    join(team)
    owner, member, document = team.owner, team.member, team.document
    member.read(document)
    _, since = team.copied(member)
    with listening(member.client, types=",".join(published())) as stream:
        owner.write("PUT", document, json={"title": "Plan", "content": "Before.", "status": "draft"})
        assert about(document, stream.some(1)) == ["saved"]
        if end == "removed":
            owner.write("DELETE", f"{team.path}/members/{member.id}")
        elif end == "left":
            member.write("POST", f"{team.path}/leave", 204)
        else:
            owner.write("PUT", f"{team.path}/members/{member.id}", json={"role": "guest"})
        member.client.headers.pop("Consistency-Token")
        assert [member.client.get(path).status_code for path in (document, f"{team.path}/folders")] == [404, 404]
        assert member.client.get("/v1/documents", params={"team": team.id}).json()["items"] == []
        assert team.copied(member, since)[0] == {id_of(document): False}
        owner.write("PUT", document, json={"title": "Plan", "content": "After.", "status": "draft"})
        member.document()
        found = stream.until(lambda found: "palimpsest.document.created.v1" in {each.type for each in found})
        assert about(document, found) == []
    assert about(document, heard(member.client)) == []
    assert about(document, heard(owner.client)) == ["created", "saved", "saved"]


def test_a_team_that_is_about_to_be_dissolved_is_read_only_at_once(team: TeamOfTwo) -> None:
    join(team, "admin")
    assert team.listed(team.member) == [(id_of(team.document), "owner")]
    team.owner.write("DELETE", team.path)
    team.member.client.headers.pop("Consistency-Token")
    assert team.listed(team.member) == [(id_of(team.document), "viewer")]
    answer = team.member.client.get(f"{team.document}/access")
    assert (answer.status_code, answer.json()["code"]) == (403, "role_too_low")
    new = {"title": "Copy", "team_id": team.id}
    assert team.owner.client.post("/v1/documents", json=new).status_code == 403
    team.member.write("POST", f"{team.document}/duplicate", 201, json={})
    team.owner.write("POST", f"{team.path}/withdraw-dissolution")
    assert team.owner.write("POST", "/v1/documents", 201, json=new).json()["owner_id"] == team.id


def test_a_new_document_of_a_team_shows_its_owner(api: Api, team: TeamOfTwo) -> None:
    new = {"title": "Plan", "team_id": team.id}
    assert api.account("pro").client.post("/v1/documents", json=new).status_code == 404
    copy = team.owner.write("POST", f"{team.document}/duplicate", 201, json={"team_id": team.id}).json()
    assert (copy["owner_kind"], UUID(copy["owner_id"])) == ("team", UUID(team.id))
