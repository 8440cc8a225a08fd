"""Every HTTP operation asks a row of the access table, and every route is an operation or a page without a token."""

import re
from collections.abc import Collection, Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.http.api.app import create_app
from adapters.http.api.deps import Deps
from domain.access import ANYONE, DOCUMENT
from tests.support.access import CASES, PUBLIC, Case, operations

OPERATIONS = operations()
PAGES = {
    "/",
    "/v1/asyncapi.json",
    "/v1/auth/links/access",
    "/v1/auth/links/domains",
    "/v1/auth/links/invitation",
    "/v1/auth/links/joined",
    "/v1/auth/links/usage",
    "/v1/auth/links/team_usage",
    "/v1/auth/links/failed",
    "/v1/auth/links/joining",
    "/v1/auth/links/offer",
    "/v1/auth/links/requests",
    "/v1/auth/links/shared",
    "/v1/auth/links/{name}",
    "/v1/docs",
    "/v1/docs/{name}",
    "/v1/events/catalogue",
    "/v1/events/schemas/{type}",
    "/v1/log/tile/{tile:path}",
    "/v1/openapi.json",
}
"""Routes that are not in the schema: documentation, pages that links lead to, and tiles."""

ROLE = re.compile(r"the (\w+) role")


def without_case(names: Iterable[str], cases: Iterable[Case], public: Collection[str]) -> set[str]:
    """The operations that no test tries as each role, and that are not open to all."""
    return {*names} - {case.operation for case in cases} - {*public}


def test_every_operation_has_a_case_or_takes_no_token() -> None:
    assert without_case(OPERATIONS, CASES, PUBLIC) == set()
    assert {case.operation for case in CASES} | PUBLIC == OPERATIONS.keys()
    assert {name for name, operation in OPERATIONS.items() if operation.access is None} == PUBLIC


def test_a_new_operation_without_a_case_is_found() -> None:
    assert without_case([*OPERATIONS, "grant_everything"], CASES, PUBLIC) == {"grant_everything"}
    assert without_case(OPERATIONS, [case for case in CASES if case.operation != "get_me"], PUBLIC) == {"get_me"}


def test_every_route_is_an_operation_or_a_known_page() -> None:
    app: Any = create_app(cast(Deps, SimpleNamespace(cors_origins=(), https=False)))
    paths = {route.path for route in app.routes}
    assert paths - {operation.path for operation in OPERATIONS.values()} == PAGES


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - PUBLIC))
def test_an_operation_takes_the_scope_of_its_action(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation.access is not None
    assert operation.scope == operation.access.rule.scope
    changes = operation.method != "GET"
    assert operation.scope.endswith(":write") == changes


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - PUBLIC))
def test_a_description_names_the_role_that_the_table_asks_for(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation.access is not None
    resource, least = operation.access.resource, operation.access.rule.role
    named = {*ROLE.findall(operation.text)} & {*resource.roles}
    asked = {case.rule.role for case in CASES if case.operation == name}
    assert named <= asked
    if least not in {ANYONE, "oneself", *resource.roles[2:]}:
        assert least in named, operation.text


def test_an_action_that_the_table_lacks_is_refused_at_the_start() -> None:
    with pytest.raises(KeyError):
        DOCUMENT.action("devour")
