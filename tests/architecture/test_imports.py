"""Import rules hold, and each is broken on purpose here, in a copy: a rule that was never broken guards nothing."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGES = ("domain", "application", "projections", "adapters", "infra")

LAYERS = "Dependencies point one way"
ROOMS = "Rooms of infra depend downwards"
CONTEXTS = "Contexts know each other only where named: "
MECHANISM = "Mechanism knows no context"
PURE = "The domain does no I/O, reads no clock and draws no randomness"
POLICIES = "Policies do no I/O, read no clock and draw no randomness"
ADAPTERS = "Packages of adapters know each other only where named"
BREACHES = [
    ("domain", "application.ports", LAYERS),
    ("domain", "infra.settings.model", LAYERS),
    ("application", "projections.kernel", LAYERS),
    ("application", "infra.store.codec", LAYERS),
    ("projections", "adapters.http", LAYERS),
    ("projections", "infra.coalesce", LAYERS),
    ("adapters", "infra.bootstrap.write_side", LAYERS),
    ("infra.store", "infra.kafka.client.topics", ROOMS),
    ("infra.projector", "infra.kafka.client.topics", ROOMS),
    ("infra.kafka.tools", "infra.projector.lag", ROOMS),
    ("infra.telemetry", "infra.cache.updater", ROOMS),
    ("infra.settings", "infra.local.supervisor", ROOMS),
    ("domain.identity", "domain.teams.team", f"{CONTEXTS}identity"),
    ("domain.content", "domain.billing.subscription", f"{CONTEXTS}content"),
    ("application.content", "domain.teams.team", f"{CONTEXTS}content"),
    ("application.privacy", "domain.teams.naming", f"{CONTEXTS}privacy"),
    ("projections.teams", "projections.content.document", f"{CONTEXTS}teams"),
    ("adapters.http.billing", "adapters.http.identity.user", f"{CONTEXTS}billing"),
    ("adapters.http.api", "application.identity.user", MECHANISM),
    ("adapters.realtime", "domain.content.document", MECHANISM),
    ("adapters.integration_events", "adapters.http.api.problems", ADAPTERS),
    ("adapters.realtime", "adapters.passwords", ADAPTERS),
    ("domain", "psycopg", PURE),
    ("domain", "random", PURE),
    ("domain", "time", PURE),
    ("application", "fastapi", "Use cases know no server and no framework"),
    ("application", "psycopg", "Use cases know no server and no framework"),
    ("application.policies", "asyncio", POLICIES),
    ("application.policies", "application.bus", POLICIES),
    ("application.policies", "infra.store.codec", LAYERS),
    ("application.policies", "adapters.http", LAYERS),
    ("application.identity", "application.policies", "No use case knows a policy"),
    ("projections", "starlette", "Read models know no web framework"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    return subprocess.run([*command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


def module(number: int) -> str:
    """The module that commits a breach."""
    return f"{BREACHES[number][0]}.breach_{number}"


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the linter says of each rule, in a copy with every breach in it."""
    copy = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", copy)
    for number, (_, target, _) in enumerate(BREACHES):
        file = copy / module(number).replace(".", "/")
        file.with_suffix(".py").write_text(f'"""A breach."""\n\nimport {target}\n')
    result = lint(copy)
    assert result.returncode == 1
    details = result.stdout.partition("Broken contracts")[2]
    return dict(re.findall(r"^(\S[^\n]*)\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", details, re.DOTALL | re.MULTILINE))


def test_the_imports_keep_the_rules() -> None:
    result = lint(PROJECT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("number", range(len(BREACHES)), ids=lambda number: f"{module(number)}-{BREACHES[number][1]}")
def test_a_breach_is_caught(broken: dict[str, str], number: int) -> None:
    _, target, rule = BREACHES[number]
    assert f"{module(number)} -> {target}" in " ".join(broken[rule].split())


def test_every_context_has_a_rule() -> None:
    folders = {path.name for layer in ("domain", "application", "projections") for path in (PROJECT / layer).iterdir()}
    contexts = {name for name in folders if (PROJECT / "domain" / name).is_dir() and name.isalpha()} - {"decisions"}
    text = (PROJECT / "pyproject.toml").read_text()
    assert {*re.findall(f"{CONTEXTS}(\\w+)", text)} == contexts
