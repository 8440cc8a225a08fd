"""A module of HTTP routes imports the mechanism (`adapters.http.api`), never the routes of another feature."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HTTP = Path(__file__).parents[2] / "adapters" / "http"
PACKAGE = "adapters.http"
MECHANISM = "adapters.http.api"


def features() -> list[Path]:
    """The files with routes: all that are not mechanism."""
    return sorted(path for path in HTTP.rglob("*.py") if "api" not in path.relative_to(HTTP).parts)


def imports(module: ast.Module) -> Iterator[str]:
    """Names of imported modules; a relative import begins with a dot."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ("." * node.level + f"{node.module or ''}.{name.name}" for name in node.names)


def faults(source: str) -> list[str]:
    """Imports of other features."""
    found = [name for name in imports(ast.parse(source)) if f"{name}.".startswith((".", f"{PACKAGE}."))]
    return [name for name in found if not name.startswith(f"{MECHANISM}.")]


@pytest.mark.parametrize("path", features(), ids=lambda path: path.stem)
def test_no_feature_imports_a_feature(path: Path) -> None:
    assert faults(path.read_text()) == []


def test_there_are_features_to_look_at() -> None:
    assert {"document.py", "share.py", "membership.py", "user.py"} <= {path.name for path in features()}


@pytest.mark.parametrize(
    "line",
    [
        "from adapters.http.content.document import DOCUMENT",
        "from adapters.http.content import document",
        "from adapters.http import content",
        "import adapters.http.content.document",
        "from .document import DOCUMENT",
        "from . import document",
        "def f():\n    from adapters.http.service.health import Deps",
    ],
)
def test_an_import_of_another_feature_is_found(line: str) -> None:
    assert len(faults(line)) == 1


@pytest.mark.parametrize("line", ["from adapters.http.api.commands import Send", "from adapters.realtime import sse"])
def test_an_import_of_anything_else_is_fine(line: str) -> None:
    assert faults(line) == []
