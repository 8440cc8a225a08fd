"""Names: one name for one thing, types that say what they are, bounds by the usual words. Each rule is broken here."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from tests.architecture.source import Source, functions, production, types

SAME_NAME = {
    "Role",  # of a document, of a team: aggregates have roles of their own
    "Status",  # of a document, of a subscription
}
"""Types that several modules may define under one name, with the reason."""

PARTICIPLES = re.compile(
    r"(?:[A-Z][a-z]*(?:ed)|Told|Said|Found|Sent|Shown|Begun|Gone|Late|Lost|Taken|Known|Kept|Left|Built|Made|Done|Held|"
    r"Read|Written|Seen|Given|Chosen|Drawn|Set|Put)"
)
EXCEPTIONS = {"Malformed", "Unauthenticated", "Read"}
"""Errors named by what is wrong, and the dependency of routes that read."""

PRIVATE_DIALECT = re.compile(r"\b(?:MOST|LEAST|LONGEST|SHORTEST|PATIENCE|BREATH|GROWN_UP|REST)(?:_[A-Z_]+)?\b")


def defined_twice(sources: Iterable[Source]) -> dict[str, list[str]]:
    """Public types that several files define, with these files."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for source in sources:
        for name, _ in types(source.tree):
            if not name.startswith("_"):
                places[name].append(source.name)
    return {name: files for name, files in places.items() if len(files) > 1 and name not in SAME_NAME}


def bare_participles(tree: ast.Module) -> Iterator[str]:
    """Public types whose name says what happened, and not what they are: right for events, wrong for all others."""
    for name, node in types(tree):
        is_event = isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Event") for base in node.bases)
        if (
            PARTICIPLES.fullmatch(name)
            and name not in EXCEPTIONS
            and not is_event
            and isinstance(node, ast.ClassDef | ast.Assign)
        ):
            yield name


def odd_constants(tree: ast.Module) -> Iterator[str]:
    """Constants named by words that the field does not use for bounds and waits."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and PRIVATE_DIALECT.fullmatch(node.id):
            yield node.id


def test_no_two_types_have_one_name() -> None:
    assert defined_twice(production()) == {}


def test_no_type_is_a_bare_participle() -> None:
    found = {source.name: [*bare_participles(source.tree)] for source in production()}
    assert {name: types for name, types in found.items() if types} == {}


def test_bounds_are_called_min_and_max() -> None:
    found = {source.name: {*odd_constants(source.tree)} for source in production()}
    assert {name: constants for name, constants in found.items() if constants} == {}


def test_breaches_are_found() -> None:
    sources = [Source(source.path, "class Batch: ...") for source in production()[:2]]
    assert [*defined_twice(sources)] == ["Batch"]
    assert [
        *bare_participles(
            ast.parse(
                "class Told: ...\nPlaced = dict[str, int]\nclass DocumentShared: ...\nclass Shared(Root.Event): ..."
            )
        )
    ] == [
        "Told",
        "Placed",
    ]
    assert [*odd_constants(ast.parse("MOST_BYTES = LEAST = 1\nMAX_BYTES = 2"))] == ["MOST_BYTES", "LEAST"]


def test_there_is_code_to_look_at() -> None:
    assert len(production()) > 150
    assert sum(1 for source in production() for _ in functions(source.tree)) > 1000
