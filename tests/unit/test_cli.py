"""The command line: quick to help, and a known failure is a sentence."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Protocol
from uuid import UUID

import pytest
import typer
from typer.testing import CliRunner

from infra.cli import main, up
from infra.cli.main import app
from infra.local.servers.process import ServerError
from infra.sealing.key_source import KeySource
from infra.settings.load import load
from tests.support.environment import unset_settings
from tests.support.stores import make_key_file

HEAVY = ("fastapi", "kafka", "psycopg", "pydantic", "cryptography", "redis", "uvicorn")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unset_settings(monkeypatch)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))


def test_help_loads_nothing_heavy() -> None:
    program = f"import sys, infra.cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_a_role_that_publishes_gets_a_port_for_its_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/palimpsest")
    assert len(set(up.metrics_ports(load(), 4))) == 4


class Run(Protocol):
    """Runs the program, and returns what it prints. It must end with this code, and show no traceback."""

    def __call__(self, *words: str, code: int = 2) -> str: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def ended(*words: str, code: int = 2) -> str:
        monkeypatch.setattr(sys, "argv", ["palimpsest", *words])
        with pytest.raises(SystemExit) as end:
            main.main()
        printed = capsys.readouterr()
        assert (end.value.code, "Traceback" in printed.err) == (code, False), printed
        return printed.out + printed.err

    return ended


def test_a_known_failure_is_a_sentence_and_exit_code_2(run: Run) -> None:
    assert "DATABASE_URL is not set" in run("settings")


def test_settings_are_shown_masked_as_lines_of_an_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:canary@localhost/palimpsest")
    output = CliRunner().invoke(app, ["settings"]).output
    assert "\nDATABASE_URL=postgresql://app:****@localhost/palimpsest\n" in output
    assert "canary" not in output


def test_new_keys_are_good_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    document = CliRunner().invoke(app, ["new-keys"]).output
    monkeypatch.setenv("PALIMPSEST_KEYS", document)
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/palimpsest")
    assert KeySource(load(tmp_path).keys).read().document() == document


@pytest.fixture
def dead_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_key_file(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:canary@127.0.0.1:1/palimpsest")


def test_l11_a_data_folder_that_other_users_can_write_to_is_refused(run: Run, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert f"Forbid it: chmod go-w {tmp_path}" in run("up")


def test_a_migration_without_a_database_is_a_sentence(run: Run, dead_database: None) -> None:
    output = run("migrate")
    assert "Start PostgreSQL, or correct DATABASE_ADMIN_URL" in output
    assert "canary" not in output


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("events", "tail"), 2),
        (("events", "show", str(UUID(int=1))), 2),
        (("jobs", "list"), 1),
        (("projections", "list"), 1),
    ],
)
def test_a_command_without_a_database_is_one_sentence(
    run: Run, dead_database: None, words: tuple[str, ...], code: int
) -> None:
    (line,) = run(*words, code=code).splitlines()
    assert line == "The database is not available. `palimpsest doctor` says more."


@pytest.mark.parametrize("group", ["events", "jobs", "keys", "mail", "policies", "projections"])
def test_the_help_of_a_group_names_the_commands_that_it_has(group: str) -> None:
    inside = importlib.import_module(f"infra.cli.{group}").app
    commands = typer.main.get_group(inside).commands
    output = getattr(main, group).__doc__.rpartition(": ")[2].rstrip(".").split(", ")
    assert sorted(output) == sorted(commands)


@pytest.mark.parametrize("group", ["events", "jobs", "keys", "mail", "policies", "projections"])
def test_a_group_offers_no_completion_to_install(group: str) -> None:
    inside = importlib.import_module(f"infra.cli.{group}").app
    assert "completion" not in CliRunner().invoke(inside, ["--help"]).output


def test_a_misspelt_variable_is_pointed_out_beside_the_settings(
    dead_database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALIMPSEST_TOKENTTL", "900")
    output = CliRunner().invoke(app, ["settings"])
    assert "PALIMPSEST_TOKENTTL is not a setting; PALIMPSEST_TOKEN_TTL is." in output.stderr


def test_ports_for_metrics_are_looked_for_near_the_one_that_is_set(
    dead_database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def taken(port: int, host: str) -> bool:
        looked.append(port)
        return False

    monkeypatch.setattr(up, "port_is_free", taken)
    with pytest.raises(ServerError, match="PALIMPSEST_METRICS_PORT"):
        up.metrics_ports(load())
    assert len(looked) == up.MAX_METRICS_PORTS_TRIED
