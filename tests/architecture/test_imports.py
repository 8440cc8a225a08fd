"""Dependencies point one way. Each rule is broken on purpose here, in a copy: a rule nobody broke guards nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGES = ("domain", "application", "projections", "adapters", "infra")

LAYERS = "Dependencies point one way"
ROOMS = "Rooms of infra depend downwards"
BREACHES = [
    ("domain", "import application.ports", LAYERS),
    ("domain", "import infra.settings.model", LAYERS),
    ("application", "import projections.kernel", LAYERS),
    ("application", "import infra.store.codec", LAYERS),
    ("projections", "import adapters.http", LAYERS),
    ("projections", "import infra.coalesce", LAYERS),
    ("adapters", "import infra.bootstrap.write_side", LAYERS),
    ("infra/store", "import infra.kafka.client.topics", ROOMS),
    ("infra/telemetry", "import infra.cache.updater", ROOMS),
    ("infra/settings", "import infra.local.secrets", ROOMS),
    ("domain", "import psycopg", "The domain does no I/O, reads no clock and draws no randomness"),
    ("domain", "import random", "The domain does no I/O, reads no clock and draws no randomness"),
    ("domain", "import time", "The domain does no I/O, reads no clock and draws no randomness"),
    ("application", "import fastapi", "Use cases know no server and no framework"),
    ("application", "import psycopg", "Use cases know no server and no framework"),
    ("projections", "import starlette", "Read models know no web framework"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    return subprocess.run([*command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_house_keeps_its_rules() -> None:
    result = lint(PROJECT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("package", "line", "rule"), BREACHES)
def test_a_breach_is_caught(copy: Path, package: str, line: str, rule: str) -> None:
    (copy / package / "breach.py").write_text(f'"""A breach."""\n\n{line}\n')
    result = lint(copy)
    assert result.returncode == 1
    assert f"{rule} BROKEN" in result.stdout
