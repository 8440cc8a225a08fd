"""Connections to PostgreSQL are opened in one place. Only `infra/postgres` and the embedded servers call the driver."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
ALLOWED = (PROJECT / "infra/postgres", PROJECT / "infra/local")
FILES = [
    file
    for package in ("domain", "application", "projections", "adapters", "infra")
    for file in sorted((PROJECT / package).rglob("*.py"))
    if not any(file.is_relative_to(folder) for folder in ALLOWED)
]
DRIVERS = ("psycopg", "psycopg_pool", "asyncpg")
OPENING = ("connect", "connect_start", "ConnectionPool", "AsyncConnectionPool", "NullConnectionPool", "create_pool")


def openings(source: str) -> Iterator[str]:
    """Calls of a driver that open a connection or make a pool."""
    tree = ast.parse(source)
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


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PROJECT)))
def test_connections_are_opened_in_one_place(file: Path) -> None:
    assert list(openings(file.read_text())) == []


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
    assert len(list(openings(lines))) == 1
