"""Connections to PostgreSQL are opened in one place. Only `infra/postgres` and the embedded servers call the driver."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import production

ALLOWED = ("infra/postgres/", "infra/local/")
DRIVERS = ("psycopg", "psycopg_pool", "asyncpg")
OPENING = ("connect", "connect_start", "ConnectionPool", "AsyncConnectionPool", "NullConnectionPool", "create_pool")


def openings(tree: ast.Module) -> Iterator[str]:
    """Calls of a driver that open a connection or make a pool."""
    names = dict(_imported(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = _dotted(node.func)
            path = f"{names.get(called[0], '')}.{'.'.join(called[1:])}".strip(".").split(".")
            if path[0] in DRIVERS and path[-1] in OPENING:
                yield ".".join(path)


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                package = alias.name.split(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (package, package)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _dotted(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Subscript):
        return _dotted(node.value)
    if isinstance(node, ast.Attribute):
        return [*_dotted(node.value), node.attr]
    return [node.id] if isinstance(node, ast.Name) else [""]


def test_connections_are_opened_in_one_place() -> None:
    found = {source.name: list(openings(source.tree)) for source in production() if not source.name.startswith(ALLOWED)}
    assert len(found) > 300
    assert {name: calls for name, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "lines",
    [
        "import psycopg\npsycopg.connect(url)",
        "import psycopg as driver\nasync def f():\n    await driver.AsyncConnection.connect(url)",
        "from psycopg import AsyncConnection\nAsyncConnection[tuple[int]].connect(url)",
        "from psycopg_pool import AsyncConnectionPool as Pool\nwith Pool(url) as pool: ...",
        "import psycopg.pq\npsycopg.pq.PGconn.connect_start(url)",
    ],
)
def test_a_connection_that_is_opened_elsewhere_is_seen(lines: str) -> None:
    assert len(list(openings(ast.parse(lines)))) == 1
