"""The access table: its roles are the aggregates' roles, and higher roles include lower ones."""

from typing import get_args

import pytest

from application.scopes import resources, scope_to_read, scopes
from domain.access import ANYONE, DOCUMENT, TEAM, Resource, RoleTooLow
from domain.content import roles as content_roles
from domain.kernel import NotFound
from domain.teams import roles

CASES = [
    (resource, action, role)
    for resource in resources().values()
    for action in resource.rules
    for role in (*resource.roles, None)
]


def test_the_table_ranks_the_roles_that_aggregates_give() -> None:
    assert DOCUMENT.roles == get_args(content_roles.Role) == ("owner", *get_args(content_roles.ShareRole))
    assert TEAM.roles == (*get_args(roles.Role), "invited")
    assert set(get_args(roles.InvitedRole)) < set(get_args(roles.Role))


@pytest.mark.parametrize("resource", resources().values(), ids=lambda resource: resource.name)
def test_every_action_takes_a_role_of_its_resource(resource: Resource) -> None:
    assert {rule.role for rule in resource.rules.values()} <= {ANYONE, *resource.roles}


@pytest.mark.parametrize("resource", resources().values(), ids=lambda resource: resource.name)
def test_a_higher_role_may_do_all_that_a_lower_one_may(resource: Resource) -> None:
    for action in resource.rules:
        allowed = [resource.allows(action, role) for role in resource.roles]
        assert allowed == sorted(allowed, reverse=True)


@pytest.mark.parametrize(("resource", "action", "role"), CASES)
def test_an_action_is_refused_exactly_where_the_table_does_not_allow_it(
    resource: Resource, action: str, role: str | None
) -> None:
    if resource.allows(action, role):
        resource.require(action, role)
    else:
        with pytest.raises(NotFound if role in (None, "invited") else RoleTooLow):
            resource.require(action, role)


def test_a_refusal_says_which_role_it_takes_and_whom_to_ask() -> None:
    with pytest.raises(RoleTooLow, match=r"^This takes the role editor, and yours is viewer; ask the owner\.$"):
        DOCUMENT.require("edit", "viewer")
    with pytest.raises(RoleTooLow, match=r"^This takes the role owner, and yours is admin; ask an owner\.$"):
        TEAM.require("dissolve", "admin")


def test_people_without_a_part_in_a_resource_do_not_learn_that_it_exists() -> None:
    with pytest.raises(NotFound, match=r"^There is no such document\.$"):
        DOCUMENT.require("read", None)
    with pytest.raises(NotFound, match=r"^There is no such team\.$"):
        TEAM.require("list_members", "invited")


def test_roles_for_an_action_are_those_that_it_allows() -> None:
    assert DOCUMENT.roles_for("edit") == ("owner", "editor")
    assert TEAM.roles_for("list_invitations") == ("owner", "admin")
    assert DOCUMENT.roles_for("create") == DOCUMENT.roles


@pytest.mark.parametrize("resource", resources().values(), ids=lambda resource: resource.name)
def test_an_action_takes_the_scope_to_read_or_to_write_its_resource(resource: Resource) -> None:
    [subject] = {rule.scope.partition(":")[0] for rule in resource.rules.values()}
    for action, rule in resource.rules.items():
        kind = "read" if action.startswith(("read", "list", "follow")) else "write"
        assert rule.scope == f"{subject}:{kind}", action


def test_scopes_follow_from_the_table() -> None:
    assert {
        "documents:read",
        "documents:write",
        "events:read",
        "billing:read",
        "billing:write",
        "teams:read",
        "teams:write",
        "users:read",
        "users:write",
    } <= scopes()
    assert {
        "document": "documents:read",
        "subscription": "billing:read",
        "team": "teams:read",
        "user": "users:read",
    }.items() <= scope_to_read().items()
