"""Who may do what, over HTTP: every operation of the schema, tried as people of every role, on own things and others'.

What is expected follows from the access table (`domain/access.py`).
"""

import pytest

from application.scopes import scopes
from tests.support.access import CASES, OWNERLESS, Case, People, operations
from tests.support.api import Api

OPERATIONS = operations()
BY_ROLE = [pytest.param(case, role, id=f"{case} as {role}") for case in CASES for role in case.roles]
WITH_OWNER = [case for case in CASES if case.rule.role not in OWNERLESS]
NOTHING = "0198f1c2-0000-7c4d-9e5f-0a1b2c3d4e5f"


@pytest.fixture(scope="module")
def people(api: Api) -> People:
    """One account for each role."""
    return People(api)


@pytest.mark.parametrize(("case", "role"), BY_ROLE)
def test_a_role_may_do_what_the_table_says_and_no_more(people: People, case: Case, role: str) -> None:
    operation = OPERATIONS[case.operation]
    path = case.path(operation.path, people.thing(case.resource), people)
    answer = people.request(role, operation, path, case)
    assert answer.status_code == case.status(role, operation.success), answer.text


@pytest.mark.parametrize("case", WITH_OWNER, ids=str)
def test_an_owner_is_a_stranger_to_anothers_thing(people: People, case: Case) -> None:
    operation = OPERATIONS[case.operation]
    people.thing(case.resource)
    theirs = people.thing(case.resource, owner=people.by_role["stranger"])
    answers = [
        people.request("owner", operation, case.path(operation.path, id, people), case) for id in (theirs, NOTHING)
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    stale = [
        people.request("owner", operation, case.path(operation.path, id, people), case, headers={"If-Match": '"77"'})
        for id in (theirs, NOTHING)
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in stale} <= {
        (404, "not_found"),
        (400, "unsupported_condition"),
    }
    assert stale[0].json()["detail"] == stale[1].json()["detail"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_without_a_token_nothing_is_done(api: Api, people: People, case: Case) -> None:
    operation = OPERATIONS[case.operation]
    path = case.path(operation.path, NOTHING, people)
    answer = api.client().request(operation.method, path, json=case.body(people))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_token_without_the_scope_is_refused(
    api: Api, people: People, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = OPERATIONS[case.operation]
    monkeypatch.setattr("adapters.http.api.tokens.scopes", lambda: scopes() - {operation.scope})
    client = api.client(api.deps.tokens.issue(people.by_role["owner"].id, None))
    answer = client.request(operation.method, case.path(operation.path, NOTHING, people), json=case.body(people))
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
