"""The command line: quick to help, and a known failure is a sentence."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra import keys
from infra.cli import main
from infra.cli.main import app
from infra.settings import Settings, variable

HEAVY = ("fastapi", "psycopg", "pydantic", "cryptography", "redis", "uvicorn")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))


def test_help_loads_nothing_heavy() -> None:
    program = f"import sys, infra.cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_a_known_failure_is_a_sentence_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["palimpsest", "settings"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert "DATABASE_URL is not set" in said.err
    assert "Traceback" not in said.err


def test_settings_are_shown_masked_as_lines_of_an_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys.ensure(tmp_path, data_exists=False)
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:canary@db/palimpsest")
    said = CliRunner().invoke(app, ["settings"]).output
    assert "\nDATABASE_URL=postgresql://app:****@db/palimpsest\n" in said
    assert "canary" not in said


def test_new_keys_are_good_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secrets.env").write_text(CliRunner().invoke(app, ["new-keys"]).output)
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/palimpsest")
    assert CliRunner().invoke(app, ["settings"]).exit_code == 0
