"""Brings a database to the code's schema: numbered SQL files, each applied once, in a transaction of its own."""

from pathlib import Path

import psycopg

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7236829


def migrate(admin_url: str) -> list[str]:
    """Apply what is missing, as the role of `admin_url`. Answers the names of the files applied now.

    Processes that start together take turns.

    Raises:
        psycopg.Error: a file failed; it and those after it are not applied.
    """
    applied = []
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
        )
        for file in pending(connection):
            with connection.transaction():
                connection.execute(file.read_bytes())
                connection.execute("INSERT INTO migrations (name) VALUES (%s)", [file.name])
            applied.append(file.name)
    return applied


def pending(connection: psycopg.Connection) -> list[Path]:
    """The files not applied yet, in order. `migrations` must exist."""
    done = {name for (name,) in connection.execute("SELECT name FROM migrations")}
    return [file for file in sorted(MIGRATIONS.glob("*.sql")) if file.name not in done]
