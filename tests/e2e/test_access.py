"""Who may do what, over HTTP: every operation of the schema, tried as people of every role, on own things and others'.

What is expected follows from the access table (`domain/access.py`).
"""

import re

import pytest

from application.scopes import scope_to_read
from domain.access import DOCUMENT, TEAM
from tests.support.access import CASES, NOTHING, OWNERLESS, Case, People, operations
from tests.support.access.kernel import THINGS
from tests.support.api import Api

OPERATIONS = operations()
BY_ROLE = [pytest.param(case, role, id=f"{case} as {role}") for case in CASES for role in case.roles]
WITH_OWNER = [
    case
    for case in CASES
    if case.rule.role not in OWNERLESS and any(thing in OPERATIONS[case.operation].path for thing in THINGS)
]
SWAPPED = [
    (case, name)
    for case in CASES
    for name in OPERATIONS[case.operation].ids
    if name not in THINGS and case.action is None and case in WITH_OWNER
]


@pytest.fixture(scope="module")
def people(api: Api) -> People:
    """One account for each role."""
    return People(api)


@pytest.mark.parametrize(("case", "role"), BY_ROLE)
def test_asvs_8_2_2_a_role_may_do_what_the_table_says_and_no_more(people: People, case: Case, role: str) -> None:
    operation = OPERATIONS[case.operation]
    id = people.untouched(case.resource) if case.is_refused(role) else people.thing(case.resource)
    path = case.path(operation.path, id, people)
    answer = people.request(role, operation, path, case)
    assert answer.status_code == case.status(role, operation.success), answer.text


@pytest.mark.parametrize("case", WITH_OWNER, ids=str)
def test_asvs_8_4_1_an_owner_is_a_stranger_to_anothers_thing(people: People, case: Case) -> None:
    operation = OPERATIONS[case.operation]
    people.untouched(case.resource)
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


@pytest.mark.parametrize(("case", "name"), SWAPPED, ids=str)
def test_asvs_8_4_1_an_id_of_another_tenant_changes_nothing_wherever_it_stands(
    people: People, case: Case, name: str
) -> None:
    operation = OPERATIONS[case.operation]
    id, stranger = people.thing(case.resource), str(people.by_role["stranger"].id)
    before = people.read("owner", case.resource, id)
    body = case.body(people)
    if body is not None and name in body:
        body = {**body, name: stranger}
    path = case.path(operation.path, id, people, **{name: stranger})
    people.by_role["owner"].client.request(operation.method, path, json=body)
    assert people.read("owner", case.resource, id) == before


def test_the_ids_of_the_schema_are_swapped() -> None:
    assert {(case.operation, name) for case, name in SWAPPED} >= {
        ("change_member_role", "user_id"),
        ("remove_member", "user_id"),
        ("offer_ownership", "user_id"),
    }


@pytest.mark.parametrize("topic", ["document", "team", "subscription", "user"])
def test_asvs_8_2_1_the_stream_of_events_shows_only_what_the_scopes_of_the_token_cover(
    api: Api, people: People, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = people.by_role["owner"]
    for resource in (DOCUMENT, TEAM):
        people.untouched(resource)
    monkeypatch.setattr("adapters.http.api.tokens.scopes", lambda: {"events:read", scope_to_read()[topic]})
    client = api.client(api.token(owner.id))
    events = client.get("/v1/events/stream", params={"after": 0, "wait": 0}).text
    assert {*re.findall(r"^event: palimpsest\.(\w+)\.", events, re.MULTILINE)} == {topic}
