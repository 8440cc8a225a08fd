"""READMEs and records name files that exist."""

import re
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, PROJECT

LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")
FILE = re.compile(r"`([\w./-]+\.(?:py|md|sql|toml|jinja|xml))`")
FOREIGN = {"tiktoken_ext/openai_public.py"}
"""Files of libraries."""
FOLDERS = [PROJECT / name for name in (*PACKAGES, "tests")]
TEXTS = [PROJECT / "README.md", *(file for folder in FOLDERS for file in sorted(folder.rglob("*.md")))]
FILES = [
    f"/{file.relative_to(PROJECT)}"
    for file in (*PROJECT.glob("*.*"), *(file for folder in FOLDERS for file in folder.rglob("*.*")))
]


def missing(text: str, folder: Path) -> set[str]:
    """The files that a text in a folder names, and that do not exist. A name may leave out its first folders."""
    named = set(FILE.findall(text)) - FOREIGN
    unknown = {name for name in named if not (folder / name).exists() and not _known(name)}
    return unknown | {target for target in LINK.findall(text) if not (folder / target).exists()}


def _known(name: str) -> bool:
    return any(file.endswith(f"/{name}") for file in FILES)


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: str(file.relative_to(PROJECT)))
def test_a_readme_names_files_that_exist(file: Path) -> None:
    assert missing(file.read_text(), file.parent) == set()


def test_every_room_of_infra_has_a_line_in_its_readme() -> None:
    infra = PROJECT / "infra"
    rooms = {file.parent.name for file in infra.glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)/` \|", (infra / "README.md").read_text(), re.MULTILINE)) == rooms


@pytest.mark.parametrize("text", ["see `otter.py`", "see [otters](otters.md#rivers)", "see `infra/otter.sql`"])
def test_a_missing_file_is_found(text: str) -> None:
    assert missing(text, PROJECT)
