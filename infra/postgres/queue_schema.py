"""The schema `jobs`: procrastinate's tables and functions, as its package ships them, and then its later migrations.

A new database gets `schema.sql`, which contains all migrations of its version: they are recorded with it. Later
versions of the package bring further files, which are applied in order.
"""

from collections.abc import Collection, Iterator
from importlib.util import find_spec
from pathlib import Path

from infra.postgres.connect import Connection

QUEUE = "jobs"
SEARCH_PATH = f"{QUEUE}, pg_temp"
PREFIX = "procrastinate/"
"""Entries of its files in the table `migrations` begin with this."""

CLOSE_SEARCH_PATHS = """
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN SELECT oid FROM pg_proc WHERE pronamespace = 'jobs'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = jobs, pg_temp', routine);
    END LOOP;
END $$
"""
"""Its functions name their tables without a schema. With this they work for every session, and find nothing else."""


def queue_files(applied: Collection[str]) -> Iterator[tuple[Path, list[str]]]:
    """Yield the files to apply, in order, each with the entries to record. `applied`: the recorded entries."""
    folder = _sql_folder()
    migrations = sorted((folder / "migrations").glob("*.sql"))
    entries = [f"{PREFIX}{file.name}" for file in migrations]
    if not any(entry.startswith(PREFIX) for entry in applied):
        yield folder / "schema.sql", entries
        return
    for file, entry in zip(migrations, entries, strict=True):
        if entry not in applied:
            yield file, [entry]


def apply_queue_file(connection: Connection, file: Path) -> None:
    """Apply a file of procrastinate within the caller's transaction."""
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {QUEUE}".encode())
    connection.execute(f"SET LOCAL search_path = {SEARCH_PATH}".encode())
    connection.execute(file.read_bytes())
    connection.execute(CLOSE_SEARCH_PATHS)


def is_queue_file(file: Path) -> bool:
    """Whether the file belongs to procrastinate."""
    return file.is_relative_to(_sql_folder())


def _sql_folder() -> Path:
    spec = find_spec("procrastinate")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "sql"
