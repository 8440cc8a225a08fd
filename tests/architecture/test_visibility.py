"""Comparisons of owners and addresses stand in the domain, in two files of visibility and in what erasures look for."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.source import production

IN_ROWS = {"owner_kind", "owner_id", "address_id"}
WHO = {"owner", *IN_ROWS}
ALLOWED = {"projections/visibility.py", "projections/past_visibility.py", "projections/privacy/holdings.py"}
IN_SQL = re.compile(r"\b(owner_kind|owner_id|address_id)\b\s*(=|<>|!=|\bIN\b|\bIS\b)", re.IGNORECASE)
LAYERS = ("application/", "projections/", "adapters/")


def comparisons(tree: ast.Module) -> Iterator[str]:
    """The comparisons with owners and addresses, in Python (but for `is None`) and in SQL."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and not all(isinstance(each, ast.Is | ast.IsNot) for each in node.ops):
            sides = [node.left, *node.comparators]
            yield from (name for side in sides if (name := name_of(side)) in WHO)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (found[1] for found in IN_SQL.finditer(node.value))


def name_of(node: ast.AST) -> str:
    """The name of a variable or of an attribute; empty for all else."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def test_only_visibility_compares_owners_and_addresses() -> None:
    found = {source.name: set(comparisons(source.tree)) for source in production() if source.name.startswith(LAYERS)}
    assert {name for name, compared in found.items() if compared} == ALLOWED
    assert set.union(*found.values()) == IN_ROWS


@pytest.mark.parametrize(
    "line",
    [
        "if found.owner_id == actor.user_id: pass",
        "mine = actor.user_id != owner_id",
        "mine = document.owner == Party('user', actor.user_id)",
        "QUERY = \"SELECT FROM read.document d WHERE d.owner_kind = 'user'\"",
        "ok = actor.address_id in invited",
        "QUERY = 'SELECT FROM read.document d WHERE d.owner_id = %(user_id)s'",
        "QUERY = f'SELECT {x} FROM read.document_access a WHERE a.address_id = %s'",
        "QUERY = 'WHERE owner_id <> %(user_id)s'",
    ],
)
def test_a_comparison_elsewhere_is_found(line: str) -> None:
    assert list(comparisons(ast.parse(line))) != []


@pytest.mark.parametrize(
    "line", ["if actor.address_id is None: pass", "make(owner_id=user_id)", "INDEX = '(owner_id)'"]
)
def test_other_uses_of_the_names_are_no_comparisons(line: str) -> None:
    assert list(comparisons(ast.parse(line))) == []
