"""The version of the code that folds."""

import ast
import re
import shutil
from pathlib import Path

import pytest

from infra.replay import code_version as versions
from infra.replay.code_version import FILES, PACKAGES, code_version, folder_of


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code. Tests leave it as they find it."""
    folder = tmp_path_factory.mktemp("code")
    for package in (*PACKAGES, "infra"):
        shutil.copytree(folder_of(package), folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def copied(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy of the code, whose version is asked for."""
    monkeypatch.setattr(versions, "folder_of", lambda package: copy / package)
    return copy


def test_a_copy_has_the_same_version_wherever_it_is(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = code_version()
    (copied / "domain/__pycache__").mkdir()
    (copied / "domain/__pycache__/kernel.cpython-311.pyc").write_bytes(b"compiled")
    (copied / "infra/README.md").write_text("not code")
    assert code_version() == found
    monkeypatch.undo()
    assert code_version() == found


@pytest.mark.parametrize("file", ["domain/kernel.py", "application/bus.py", "projections/kernel.py", *FILES])
def test_a_change_of_any_file_is_another_version(copied: Path, file: str) -> None:
    before = code_version()
    path = copied / file
    content = path.read_text()
    path.write_text(content + "# more\n")
    changed = code_version()
    path.write_text(content)
    assert changed != before == code_version()


def test_every_module_of_our_own_that_a_digest_is_made_with_is_in_the_version() -> None:
    """But for those that connect, that keep checkpoints and keys, which a digest has none of, and that show it."""
    beside = re.compile(r"infra\.(coalesce|progress|sealing.*|postgres\.(connect|projector_connection))")
    beside_it = {"infra.projector.checkpoints", "infra.projector.consumers", "infra.replay.certificate"}
    folder = folder_of("infra").parent
    found, waiting = set[str](), ["infra.replay.digest_fold"]
    while waiting:
        module = waiting.pop()
        path = f"{module.replace('.', '/')}.py"
        found.add(path)
        nodes = [node for node in ast.walk(ast.parse((folder / path).read_text())) if isinstance(node, ast.ImportFrom)]
        ours = {node.module for node in nodes if node.module and node.module.startswith("infra.")} - beside_it
        waiting += [name for name in ours if not beside.fullmatch(name) and f"{name.replace('.', '/')}.py" not in found]
    assert found == {*FILES}


def test_a_new_file_and_another_name_are_other_versions(copied: Path) -> None:
    before = code_version()
    (copied / "projections/more.py").write_text("")
    more = code_version()
    (copied / "projections/more.py").rename(copied / "projections/less.py")
    less = code_version()
    (copied / "projections/less.py").unlink()
    assert len({before, more, less}) == 3
    assert code_version() == before
