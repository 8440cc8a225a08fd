"""Brings a database to the schema of the code: numbered migrations once each, function files whenever they change.

The table `migrations` holds the name of each numbered file, and the name and digest of each function file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg

from infra.errors import SetupError
from infra.postgres.connect import Connection, connect
from infra.postgres.locks import MIGRATE

MIGRATIONS = Path(__file__).parent / "migrations"
FUNCTIONS = Path(__file__).parent / "functions"
DIGEST_DIGITS = 16

CREATE_TABLE = "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
FORGET_FORMER = "DELETE FROM migrations WHERE split_part(name, ' ', 1) = %s"


@dataclass(frozen=True, slots=True)
class Migration:
    """An SQL file. `entry`: its name in the table `migrations`, for a function file with the digest of its content."""

    file: Path
    entry: str


def migrate(admin_url: str) -> list[str]:
    """Apply the pending migrations as the role of `admin_url`. Returns the names of the files.

    Processes that start at the same time run one after the other.

    Raises:
        SetupError: the database does not answer, or refuses a file; that file and the later ones are not applied.
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
    """The message of PostgreSQL or of the connection, in one line. Other messages of psycopg may quote a password."""
    if error.diag.message_primary:
        return error.diag.message_primary
    return str(error).partition("\n")[0] if isinstance(error, psycopg.OperationalError) else type(error).__name__


def pending(connection: Connection) -> list[Migration]:
    """The migrations to apply, in order. The table `migrations` must exist."""
    applied = {name for (name,) in connection.execute("SELECT name FROM migrations")}
    return [migration for migration in _migrations() if migration.entry not in applied]


def _migrate(admin_url: str) -> list[str]:
    applied = []
    with connect(admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATE.key])
        connection.execute(CREATE_TABLE)
        for migration in pending(connection):
            with connection.transaction():
                connection.execute(migration.file.read_bytes())
                connection.execute(FORGET_FORMER, [migration.file.name])
                connection.execute("INSERT INTO migrations (name) VALUES (%s)", [migration.entry])
            applied.append(migration.file.name)
    return applied


def _migrations() -> Iterator[Migration]:
    """Numbered files first: functions refer to their tables."""
    for file in sorted(MIGRATIONS.glob("*.sql")):
        yield Migration(file, file.name)
    for file in sorted(FUNCTIONS.glob("*.sql")):
        digest = sha256(file.read_bytes()).hexdigest()[:DIGEST_DIGITS]
        yield Migration(file, f"{file.name} {digest}")
