"""A route parses, sends, answers: at most a few statements, no branch, no loop, no `try`, no SQL."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HTTP = Path(__file__).parents[2] / "adapters" / "http"
VERBS = {"get", "post", "put", "patch", "delete"}
STATEMENTS = 3
FAT = (
    ast.If, ast.IfExp, ast.BoolOp, ast.Match, ast.Try, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith,
    ast.comprehension, ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom,
    ast.Assert, ast.Raise,
)  # fmt: skip
SQL = ("select ", "insert ", "update ", "delete from ", " where ")


def routes(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions that a router calls."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(is_verb, node.decorator_list)):
            yield node


def is_verb(decorator: ast.expr) -> bool:
    """Whether this is `@router.get(...)` or the like."""
    return (
        isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute) and decorator.func.attr in VERBS
    )


def faults(route: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """What is fat about a route."""
    body = route.body[1:] if ast.get_docstring(route) else route.body
    nodes = [node for statement in body for node in ast.walk(statement)]
    found = [type(node).__name__ for node in nodes if isinstance(node, FAT)]
    found += ["SQL" for node in nodes if is_sql(node)]
    found += ["too many statements"] if len(body) > STATEMENTS else []
    found += [] if ast.get_docstring(route) else ["no docstring"]
    return found


def is_sql(node: ast.AST) -> bool:
    """Whether this is a text with SQL in it."""
    text = node.value.lower() if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    return any(word in text for word in SQL)


@pytest.mark.parametrize("path", sorted(HTTP.rglob("*.py")), ids=lambda path: path.stem)
def test_routes_are_thin(path: Path) -> None:
    found = {route.name: faults(route) for route in routes(ast.parse(path.read_text()))}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_there_are_routes_to_look_at() -> None:
    found = [route.name for path in HTTP.rglob("*.py") for route in routes(ast.parse(path.read_text()))]
    assert {"create_document", "get_document", "register", "live"} <= set(found)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("if read: return 1", "If"),
        ("return 1 if read else 2", "IfExp"),
        ("return read or 2", "BoolOp"),
        ("try: return 1\n    except E: return 2", "Try"),
        ("for x in read: pass", "For"),
        ("async for x in read: pass", "AsyncFor"),
        ("while True: pass", "While"),
        ("async with read: pass", "AsyncWith"),
        ("return [x for x in read]", "comprehension"),
        ("match read:\n      case 1: pass", "Match"),
        ("raise NotFound", "Raise"),
        ("return await read.all('SELECT id FROM documents')", "SQL"),
        ("a = 1\n    b = 2\n    c = 3\n    return a", "too many statements"),
    ],
)
def test_a_fat_route_is_found(body: str, fault: str) -> None:
    source = f"@router.get('/x')\nasync def fat(read):\n    '''Do.'''\n    {body}\n"
    (route,) = routes(ast.parse(source))
    assert fault in faults(route)


def test_a_route_without_a_docstring_is_found() -> None:
    (route,) = routes(ast.parse("@router.get('/x')\nasync def bare(read):\n    return 1\n"))
    assert faults(route) == ["no docstring"]
