"""Migrations: numbered files run once, function files run again when they change."""

from pathlib import Path

import pytest

from infra.errors import SetupError
from infra.postgres import migrate as migrations
from infra.postgres.connect import connect
from infra.postgres.migrate import migrate, pending
from tests.support.servers import Database
from tests.support.stores import rows

ENTRIES = "SELECT name FROM migrations WHERE name LIKE 'answer.sql%%' ORDER BY name"


class Functions:
    """A folder with one function file, in place of the real folder. `answer()` returns what was written last."""

    def __init__(self, folder: Path, url: str) -> None:
        self._file = folder / "answer.sql"
        self._url = url

    def write(self, answer: str) -> None:
        self._file.write_text(f"CREATE OR REPLACE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT {answer}'")

    def answer(self) -> int:
        [(value,)] = rows(self._url, "SELECT answer()")
        assert isinstance(value, int)
        return value


@pytest.fixture
def functions(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Functions:
    monkeypatch.setattr(migrations, "FUNCTIONS", tmp_path)
    return Functions(tmp_path, database.admin_url)


def pending_files(database: Database) -> list[str]:
    with connect(database.admin_url) as connection:
        return [migration.file.name for migration in pending(connection)]


def test_a_second_run_does_nothing(database: Database) -> None:
    assert pending_files(database) == []
    assert migrate(database.admin_url) == []


def test_a_function_file_runs_again_when_it_has_changed(database: Database, functions: Functions) -> None:
    for answer in (1, 2, 1):
        functions.write(str(answer))
        assert pending_files(database) == ["answer.sql"]
        assert migrate(database.admin_url) == ["answer.sql"]
        assert functions.answer() == answer
        assert migrate(database.admin_url) == []
        assert len(rows(database.admin_url, ENTRIES)) == 1


def test_a_function_file_that_fails_stays_pending_and_changes_nothing(database: Database, functions: Functions) -> None:
    functions.write("1")
    migrate(database.admin_url)
    functions.write("no_such_column")
    with pytest.raises(SetupError, match="no_such_column"):
        migrate(database.admin_url)
    assert pending_files(database) == ["answer.sql"]
    assert functions.answer() == 1


def test_append_events_is_defined_in_one_file() -> None:
    files = [*migrations.MIGRATIONS.glob("*.sql"), *migrations.FUNCTIONS.glob("*.sql")]
    defining = [file.name for file in files if "FUNCTION append_events(" in file.read_text()]
    assert defining == ["append_events.sql"]
