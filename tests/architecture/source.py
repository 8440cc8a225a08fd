"""Source of the product and the tests, read and parsed once: files, classes, functions, and texts."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PACKAGES = ("domain", "application", "projections", "adapters", "infra")


@dataclass(frozen=True)
class Source:
    """One file."""

    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.text)

    @property
    def name(self) -> str:
        """The path within the project."""
        return str(self.path.relative_to(PROJECT))


@cache
def production() -> tuple[Source, ...]:
    """Every Python file of the product."""
    files = [file for package in PACKAGES for file in sorted((PROJECT / package).rglob("*.py"))]
    return tuple(read(file) for file in files)


@cache
def written_tests() -> tuple[Source, ...]:
    """Every Python file of the tests."""
    return tuple(read(file) for file in sorted((PROJECT / "tests").rglob("*.py")))


def read(file: Path) -> Source:
    """One file."""
    return Source(file, file.read_text())


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def types(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """The types that a module defines at its top level: classes, and aliases named like classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign) and is_alias(node.value):
            yield from ((target.id, node) for target in node.targets if is_type_name(target))  # type: ignore[attr-defined]


def is_type_name(node: ast.expr) -> bool:
    """Whether this is a name in CamelCase."""
    return isinstance(node, ast.Name) and node.id.lstrip("_")[:1].isupper() and not node.id.isupper()


def is_alias(value: ast.expr) -> bool:
    """Whether this is the right side of a type alias: a subscript like `dict[int, str]`, or a union."""
    return isinstance(value, ast.Subscript) or (isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr))
