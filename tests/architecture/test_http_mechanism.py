"""One file touches private parts of FastAPI, and one module assigns to the request context."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.http.api.context import RequestContext

ADAPTERS = Path(__file__).parents[2] / "adapters"
FILES = sorted(ADAPTERS.rglob("*.py"))
PRIVATE_MODULES = ("fastapi.routing", "fastapi.dependencies", "fastapi.telemetry", "fastapi._compat", "starlette._")
PRIVATE_NAMES = {"dependant", "field_info", "build_middleware_stack", "get_route_handler", "middleware_stack"}
CONTEXT = {*RequestContext.__slots__}


def private_parts(source: str) -> list[str]:
    """Private parts of FastAPI and Starlette that a source names."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module)) if module.startswith(PRIVATE_MODULES):
                found.append(module)
            case ast.Import(names=names):
                found += [each.name for each in names if each.name.startswith(PRIVATE_MODULES)]
            case ast.Attribute(attr=name) | ast.FunctionDef(name=name) if name in PRIVATE_NAMES:
                found.append(name)
    return found


def assignments(source: str) -> Iterator[str]:
    """Attributes of a context that a source assigns to."""
    for node in ast.walk(ast.parse(source)):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in (inner for each in targets if each is not None for inner in ast.walk(each)):
            match target:
                case ast.Attribute(value=ast.Name(id="context") | ast.Attribute(attr="_context"), attr=name):
                    if name in CONTEXT:
                        yield name


def test_one_file_touches_private_parts_of_the_framework() -> None:
    assert {path.name for path in FILES if private_parts(path.read_text())} == {"framework.py"}


def test_nobody_assigns_to_a_context_from_outside() -> None:
    assert {path.name: found for path in FILES if (found := [*assignments(path.read_text())])} == {}


@pytest.mark.parametrize(
    "line",
    [
        "from fastapi.routing import APIRoute",
        "from fastapi.dependencies.models import Dependant",
        "import starlette._utils",
        "found = route.dependant",
        "def build_middleware_stack(self): ...",
    ],
)
def test_a_private_part_is_found(line: str) -> None:
    assert len(private_parts(line)) == 1


@pytest.mark.parametrize("line", ["context.route = 'x'", "self._context.status, n = 1, 2", "context.path: str = 'x'"])
def test_an_assignment_to_a_context_is_found(line: str) -> None:
    assert len([*assignments(line)]) == 1
