"""A whole new aggregate in a new context is found in every layer, and guarded there: nothing is lost in a folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.example import copy_with_example

pytestmark = pytest.mark.programs

FOUND = """
import json
from adapters.http.api.app import create_app
from adapters.integration_events.contract import published
from application.commands import HANDLERS
from application.discovery import import_all
from application.scopes import scopes
from infra.kafka.client.topics import Topics
from projections.kernel import read_models
from tests.support.http import openapi_schema

import_all("application")
paths = openapi_schema()["paths"]
print(json.dumps({
    "handlers": sorted(command.__name__ for command in HANDLERS if "Bookmark" in command.__name__),
    "model": "reading_list" in [model.name for model in read_models()],
    "published": "palimpsest.bookmark.placed.v1" in published(),
    "topics": [topic for topic in Topics("acme").events() if "bookmark" in topic],
    "route": sorted(paths["/v1/bookmarks/{document_id}"]),
    "scopes": sorted(scope for scope in scopes() if scope.startswith("bookmarks")),
    "tag": "bookmarks" in [tag["name"] for tag in openapi_schema()["tags"]],
}))
"""

IMPURE = """
    def peek(self) -> datetime:
        return datetime.now()
"""
FAT = '''

@router.get("/fat")
async def fat(read: Read) -> Answer:
    """Be fat."""
    if read:
        return read.unversioned([])
    return read.unversioned([1])
'''


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the README's example in a context of its own."""
    return copy_with_example(tmp_path_factory.mktemp("copy"), context="reading")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)


def test_everything_of_a_new_context_is_found(copy: Path) -> None:
    ran = run(copy, "-c", FOUND)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == {
        "handlers": ["PlaceBookmark", "RemoveBookmark"],
        "model": True,
        "published": True,
        "topics": ["acme.bookmark.v1"],
        "route": ["delete", "put"],
        "scopes": ["bookmarks:read", "bookmarks:write"],
        "tag": True,
    }


SINS = {
    "domain/reading/bookmark.py": ("test_domain_is_pure.py", IMPURE),
    "adapters/http/reading/bookmark.py": ("test_routes_are_thin.py", FAT),
}


def guarded(copy: Path) -> subprocess.CompletedProcess[str]:
    """Run the guards in the copy, without our settings and fixtures: they do not need them, and start sooner."""
    bare = ("-c", "/dev/null", "--rootdir=.", "--noconftest", "--import-mode=importlib", "-p", "no:cacheprovider")
    return run(copy, "-m", "pytest", "-q", *bare, *(f"tests/architecture/{guard}" for guard, _ in SINS.values()))


def test_sins_in_a_new_context_are_found(copy: Path) -> None:
    assert guarded(copy).returncode == 0
    innocent = {file: (copy / file).read_text() for file in SINS}
    for file, (_, sin) in SINS.items():
        (copy / file).write_text(innocent[file] + sin)
    ran = guarded(copy)
    for file, text in innocent.items():
        (copy / file).write_text(text)
    assert ran.returncode == 1
    for guard, _ in SINS.values():
        assert any(guard in line and "bookmark" in line for line in ran.stdout.splitlines() if "FAILED" in line)
