"""Brings a database to the code's schema: numbered SQL files, each applied once, in a transaction of its own."""

from pathlib import Path

import psycopg

from infra.errors import SetupError
from infra.postgres.connect import connect
from infra.postgres.locks import MIGRATE

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(admin_url: str) -> list[str]:
    """Apply what is missing, as the role of `admin_url`. Answers the names of the files applied now.

    Processes that start together take turns.

    Raises:
        SetupError: the database does not answer, or refuses a file; that file and those after it are not applied.
    """
    try:
        return _migrate(admin_url)
    except psycopg.OperationalError as error:
        raise SetupError(
            f"The schema cannot be made: {reason(error)}. Start PostgreSQL, or correct DATABASE_ADMIN_URL."
        ) from None
    except psycopg.Error as error:
        raise SetupError(
            f"The schema cannot be made: {reason(error)}. "
            "The role of DATABASE_ADMIN_URL must be able to create roles and schemas."
        ) from None


def reason(error: psycopg.Error) -> str:
    """What PostgreSQL, or the connection to it, says in a line. What the driver itself says may quote an address."""
    if error.diag.message_primary:
        return error.diag.message_primary
    return str(error).partition("\n")[0] if isinstance(error, psycopg.OperationalError) else type(error).__name__


def _migrate(admin_url: str) -> list[str]:
    applied = []
    with connect(admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATE.key])
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
