"""Routes with the scope of auditors read by `AuditedRead` alone, so that no read goes unrecorded."""

import ast
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast, get_type_hints

from fastapi import Depends

from adapters.http.api.app import create_app
from adapters.http.api.audited import AuditedReader
from adapters.http.api.deps import Deps
from adapters.http.api.lists import List
from adapters.http.api.queries import Read
from adapters.http.api.routing import ApiRoute
from application.scopes import scopes_of_auditors
from domain.access import AUDIT
from tests.architecture.source import production

READERS = {AuditedReader}


def dependencies(endpoint: Callable[..., Any]) -> set[Any]:
    """What a route is given besides its arguments."""
    hints = get_type_hints(endpoint, include_extras=True)
    marks = [mark for hint in hints.values() for mark in getattr(hint, "__metadata__", ())]
    return {mark.dependency for mark in marks if isinstance(mark, type(Depends()))}


def audited_routes() -> Iterator[ApiRoute]:
    """The routes that take a scope of auditors."""
    app: Any = create_app(cast(Deps, SimpleNamespace(cors_origins=(), https=False)))
    for route in app.routes:
        if isinstance(route, ApiRoute) and scope_of(route) in scopes_of_auditors():
            yield route


def scope_of(route: ApiRoute) -> str | None:
    security = (route.openapi_extra or {}).get("security")
    return security[0]["token"][0] if security else None


def test_a_route_for_auditors_has_no_other_way_to_read() -> None:
    found = {route.path: dependencies(route.endpoint) for route in audited_routes()}
    assert found
    assert {path: given for path, given in found.items() if given != READERS} == {}


def test_routes_of_auditors_and_no_others_stand_under_their_path() -> None:
    app: Any = create_app(cast(Deps, SimpleNamespace(cors_origins=(), https=False)))
    under = {route.path for route in app.routes if route.path.startswith("/v1/audit/")}
    assert under == {route.path for route in audited_routes()}
    assert {rule.scope for rule in AUDIT.rules.values()} == scopes_of_auditors()


def test_another_way_is_found() -> None:
    async def peek(read: Read) -> None: ...

    async def list_all(listed: List) -> None: ...

    assert all(dependencies(route) != READERS for route in (peek, list_all))


def unsealing(source: str) -> bool:
    """Whether code asks for personal fields, of an aggregate or of events of the log."""
    return any(
        isinstance(node, ast.keyword) and node.arg in ("unseal", "unsealed") for node in ast.walk(ast.parse(source))
    )


def test_only_commands_of_operators_unseal_what_auditors_read() -> None:
    found = {source.name for source in production() if unsealing(source.text)}
    assert found == {"application/travel/views.py", "infra/cli/audit_travel.py", "infra/cli/events.py"}
    assert unsealing("state_at(store, trail, topic, id, point, unseal=True)")
