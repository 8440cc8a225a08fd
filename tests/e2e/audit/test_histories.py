"""Histories of accounts, documents and teams: who did what by which request, and which auditor has looked at it."""

import json
from typing import Any

import pytest

from application.privacy.legal_hold import AskForHold
from domain.privacy.erasure_record import ErasureRecord
from domain.privacy.legal_hold import LegalHold
from projections.history import UNTOLD
from tests.support.api import Account, Api


@pytest.fixture(scope="module")
def ada(api: Api) -> Account:
    return api.account("pro")


@pytest.fixture(scope="module")
def olga(api: Api) -> Account:
    return api.auditor()


def items(account: Account, path: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = account.read(path, params=query)["items"]
    return found


def followed(api: Api, account: Account) -> None:
    """Let the next reads of the account show all that is in the log."""

    async def head() -> int:
        return await api.deps.head()

    account.client.headers["Consistency-Token"] = str(api.run(head()))


def test_a_user_sees_what_an_auditor_read_of_theirs(api: Api, ada: Account, olga: Account) -> None:
    changed = ada.write("PUT", "/v1/users/me", json={"name": "Ada"})
    read = olga.client.get(f"/v1/audit/users/{ada.id}/history", params={"type": "user.profile_changed"})
    [seen] = read.json()["items"]
    assert (seen["actor_id"], seen["request_id"]) == (str(ada.id), changed.headers["X-Request-Id"])
    followed(api, ada)
    [audited, own, *_] = items(ada, "/v1/users/me/history")
    assert own == {**seen, "session_id": own["session_id"], "user_agent": own["user_agent"]}
    assert (audited["type"], audited["actor_id"]) == ("audit.history_read", str(olga.id))
    assert (audited["operation"], audited["read_id"]) == ("audit_user_history", str(ada.id))
    assert items(ada, "/v1/users/me/history", type="audit.history_read", actor=olga.id) == [audited]
    assert items(ada, "/v1/users/me/history", request=changed.headers["X-Request-Id"]) == [own]
    assert items(ada, "/v1/users/me/history", until="2020-01-01T00:00:00Z") == []
    # The auditor has a history, too, in which the read of another person does not stand.
    followed(api, olga)
    assert items(olga, "/v1/users/me/history", type="audit.history_read") == []


def test_owners_see_the_history_of_a_document_page_by_page_and_in_lines(api: Api, ada: Account) -> None:
    path = ada.document("Notes", "1")
    for content in ("2", "3"):
        ada.write("PUT", path, json={"title": "Notes", "content": content, "status": "draft"})
    whole = items(ada, f"{path}/history")
    assert [each["type"] for each in whole] == ["document.saved", "document.saved", "document.created"]
    assert {each["actor_id"] for each in whole} == {str(ada.id)}
    assert "Notes" not in json.dumps(whole)
    found, target = [], f"{path}/history?limit=2"
    while target:
        answer = ada.client.get(target)
        found += answer.json()["items"]
        target = answer.links.get("next", {}).get("url", "")
    assert found == whole
    lines = ada.client.get(f"{path}/history?limit=2", headers={"Accept": "application/jsonl"})
    assert [json.loads(line) for line in lines.text.splitlines()] == whole


def test_admins_see_the_history_of_a_team_with_who_did_it(api: Api, ada: Account) -> None:
    bob = api.account("pro")
    team = ada.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": "history-crew"}).headers["Location"]
    ada.write("POST", f"{team}/invitations", json={"email": bob.email, "role": "viewer"})
    bob.write("POST", f"{team}/invitations/accept")
    followed(api, ada)
    assert [(each["action"], each["actor_id"]) for each in items(ada, f"{team}/history")] == [
        ("invitation_accepted", str(bob.id)),
        ("member_invited", str(ada.id)),
        ("founded", str(ada.id)),
    ]
    assert items(ada, f"{team}/history", actor=bob.id, type="team.founded") == []
    assert bob.client.get(f"{team}/history").status_code == 403


def test_admins_of_a_team_see_what_an_auditor_read_of_it(api: Api, ada: Account, olga: Account) -> None:
    """Its state, and that of its document; a viewer sees neither."""
    bob = api.account("pro")
    team = ada.write("POST", "/v1/teams", 201, json={"name": "Watch", "slug": "history-watch"}).headers["Location"]
    ada.write("POST", f"{team}/invitations", json={"email": bob.email, "role": "viewer"})
    bob.write("POST", f"{team}/invitations/accept")
    team_id = team.rpartition("/")[2]
    text = {"title": "Log", "content": "1", "team_id": team_id}
    document_id = ada.write("POST", "/v1/documents", 201, json=text).json()["id"]
    for read in (f"team/{team_id}", f"document/{document_id}"):
        assert olga.client.get(f"/v1/audit/states/{read}").status_code == 200
    followed(api, ada)
    reads = items(ada, f"{team}/history", type="audit.history_read", actor=olga.id)
    assert [(each["operation"], each["read_topic"], each["read_id"]) for each in reads] == [
        ("audit_state", "document", document_id),
        ("audit_state", "team", team_id),
    ]
    assert {each["actor_id"] for each in reads} == {str(olga.id)}
    assert items(ada, f"{team}/history")[:2] == reads
    followed(api, bob)
    refused = bob.client.get(f"{team}/history", params={"type": "audit.history_read"})
    assert (refused.status_code, str(olga.id) in refused.text) == (403, False)


def test_a_user_does_not_learn_that_an_auditor_read_of_a_legal_hold(api: Api, ada: Account, olga: Account) -> None:
    """Others hear nothing of a hold."""
    hold = api.send(AskForHold(subject_kind="user", subject_id=ada.id, reason="Court of Otterton", by="Kim"))
    for topic, id in (("legal_hold", hold.id), ("erasure_record", ErasureRecord.id_of(ada.id))):
        assert olga.client.get(f"/v1/audit/states/{topic}/{id}").status_code == 200
    followed(api, ada)
    [record_read, hold_read] = items(ada, "/v1/users/me/history", type="audit.history_read", limit="2")
    for read in (record_read, hold_read):
        assert (read["operation"], read["read_topic"], read["read_id"]) == ("audit_state", None, None)
    assert {LegalHold.TOPIC, ErasureRecord.TOPIC} == UNTOLD


def test_a_search_by_an_auditor_is_shown_to_whom_it_asks_about(api: Api, ada: Account, olga: Account) -> None:
    """Also one that finds nothing, and one about a document that was given away."""
    bob = api.account("pro")
    path = ada.document("Maps", "1")
    ada.write("POST", f"{path}/ownership-offer", json={"email": bob.email})
    bob.write("POST", f"{path}/ownership-offer/accept")
    id = path.rpartition("/")[2]
    nothing = {"actor": str(bob.id), "type": "team.founded"}
    assert olga.client.get("/v1/audit/events", params=nothing).json()["items"] == []
    olga.client.get("/v1/audit/events", params={"aggregate_id": id})
    olga.client.get(f"/v1/audit/states/document/{id}")
    followed(api, bob)
    reads = items(bob, "/v1/users/me/history", type="audit.history_read")
    assert [each["operation"] for each in reads][-1:] == ["audit_events"]
    assert "audit_state" in [each["operation"] for each in reads]
    assert [each["operation"] for each in items(bob, f"{path}/history", type="audit.history_read")] == [
        "audit_state",
        "audit_events",
    ]
