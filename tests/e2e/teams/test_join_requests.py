"""Join requests and the settings of teams over HTTP. A policy shows requests to teams, so the tests play it."""

from uuid import UUID, uuid4

import httpx2
import pytest

from application.teams.join_request import ShowJoinRequest
from tests.support.api import Account, Api
from tests.support.headers import telling

PATCH = {"Content-Type": "application/merge-patch+json"}


def caught_up(reader: Account, writer: Account) -> Account:
    """The reader, whose next reads show what the writer wrote."""
    reader.client.headers["Consistency-Token"] = writer.client.headers["Consistency-Token"]
    return reader


def team_of(owner: Account, slug: str) -> str:
    """A new team; answers its path."""
    founded = owner.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": slug})
    return str(founded.headers["Location"])


def allow(owner: Account, path: str) -> None:
    """Let users ask to join."""
    owner.write("PATCH", f"{path}/settings", json={"join": "by_request"}, headers=PATCH)


def ask(api: Api, asker: Account, team: str) -> httpx2.Response:
    """Ask, and play the policy. The next reads show it."""
    answer = asker.write("POST", "/v1/join-requests", 204, json={"team": team})
    loaded = asker.read("/v1/join-requests")["items"][-1]
    api.send(ShowJoinRequest(id=UUID(loaded["id"])))
    asker.client.headers["Consistency-Token"] = str(api.run(head(api)))
    return answer


async def head(api: Api) -> int:
    """The end of the log."""
    return await api.deps.head()


@pytest.fixture(scope="module")
def people(api: Api) -> tuple[Account, Account]:
    """An owner and another user."""
    return api.account("pro"), api.account("pro")


def test_settings_are_patched_by_admins_alone_and_have_a_tag(people: tuple[Account, Account]) -> None:
    owner, bob = people
    path = team_of(owner, "tagged")
    before = owner.client.get(f"{path}/settings")
    assert before.json()["join"] == "invited_only"
    stale = {**PATCH, "If-Match": before.headers["ETag"]}
    changed = owner.write("PATCH", f"{path}/settings", json={"join": "by_request"}, headers=stale)
    assert owner.read(f"{path}/settings") == changed.json()
    assert owner.client.get(f"{path}/settings").headers["ETag"] == changed.headers["ETag"] != before.headers["ETag"]
    late = owner.client.patch(f"{path}/settings", json={"join": "invited_only"}, headers=stale)
    assert (late.status_code, late.json()["code"]) == (412, "stale_version")
    assert owner.client.patch(f"{path}/settings", json={"join": None}, headers=PATCH).status_code == 422
    assert owner.client.patch(f"{path}/settings", json={"color": "red"}, headers=PATCH).status_code == 422
    caught_up(bob, owner).read(f"{path}/settings", 404)


def test_who_asks_is_seen_by_the_admins_and_accepted(api: Api, people: tuple[Account, Account]) -> None:
    owner, bob = people
    path = team_of(owner, "welcoming")
    allow(owner, path)
    ask(api, bob, "welcoming")
    [request] = caught_up(owner, bob).read(f"{path}/join-requests")["items"]
    assert (request["user_id"], request["email"], request["message"]) == (str(bob.id), bob.email, None)
    bob.read(f"{path}/join-requests", 404)
    owner.write("POST", f"{path}/join-requests/{bob.id}/accept", 204, json={"role": "viewer"})
    assert caught_up(bob, owner).read(path)["members"] == 2
    assert {each["user_id"]: each["role"] for each in bob.read(f"{path}/members")}[str(bob.id)] == "viewer"
    assert bob.read("/v1/join-requests")["items"][-1]["state"] == "accepted"
    assert owner.read(f"{path}/join-requests")["items"] == []


def test_a_declined_user_asks_again_a_week_later(api: Api, people: tuple[Account, Account]) -> None:
    owner, bob = people
    path = team_of(owner, "declining")
    allow(owner, path)
    ask(api, bob, path.rpartition("/")[2])
    owner.write("POST", f"{path}/join-requests/{bob.id}/decline", 204)
    again = bob.client.post("/v1/join-requests", json={"team": "declining"})
    assert (again.status_code, again.json()["code"]) == (409, "declined_recently")
    assert caught_up(bob, owner).read("/v1/join-requests")["items"][-1]["state"] == "declined"


def test_asking_tells_nothing_about_teams(api: Api, people: tuple[Account, Account]) -> None:
    """A team that allows requests, one that does not, none; by slug and by id."""
    owner, bob = people
    paths = [team_of(owner, slug) for slug in ("allowing", "closed")]
    allow(owner, paths[0])
    names = ["allowing", "closed", "no-such-team", str(uuid4())]
    answers = [ask(api, bob, name) for name in names]
    assert len({(answer.status_code, answer.content, telling(answer)) for answer in answers}) == 1
    listed = bob.read("/v1/join-requests")["items"][-len(names) :]
    assert [each["team"] for each in listed] == names
    assert {each["state"] for each in listed} == {"open"}
    for each in listed:
        bob.write("DELETE", f"/v1/join-requests/{each['id']}", 204)
    assert {each["state"] for each in bob.read("/v1/join-requests")["items"][-len(names) :]} == {"withdrawn"}
    assert caught_up(owner, bob).read(f"{paths[1]}/join-requests")["items"] == []


def test_domains_are_listed_with_their_records_for_admins_alone(people: tuple[Account, Account]) -> None:
    owner, bob = people
    path = team_of(owner, "with-domains")
    added = owner.write("POST", f"{path}/domains", 201, json={"name": "BÜCHER.example"})
    assert added.headers["Location"] == f"{path}/domains/{added.json()['id']}"
    [domain] = owner.read(f"{path}/domains")
    assert (domain["name"], domain["state"], domain["proved_at"]) == ("bücher.example", "pending", None)
    assert domain["record_name"] == "_palimpsest.xn--bcher-kva.example"
    assert domain["record_value"] == f"palimpsest-domain={domain['id']}"
    refused = owner.client.post(f"{path}/domains", json={"name": "gmail.com"})
    assert (refused.status_code, refused.json()["code"]) == (422, "domain_of_all")
    caught_up(bob, owner).read(f"{path}/domains", 404)
    owner.write("DELETE", f"{path}/domains/{domain['id']}", 204)
    assert owner.read(f"{path}/domains") == []
