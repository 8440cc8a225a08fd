"""Brings a database to the schema of the code: numbered migrations once each, function files whenever they change.

The files of the queue come first (`queue_schema.py`). The table `migrations` holds the name of each numbered file, and
the name and digest of each function file. All runs as palimpsest_owner, which is no superuser. At the end the rights
are made as declared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg

from infra.errors import SetupError
from infra.postgres.connect import Connection, connect
from infra.postgres.locks import MIGRATE
from infra.postgres.queue_schema import apply_queue_file, is_queue_file, queue_files
from infra.postgres.rights import OURS, apply_rights
from infra.settings.database import PARTS, role_of

ADMINISTRATOR = Path(__file__).parent / "administrator.sql"
MIGRATIONS = Path(__file__).parent / "migrations"
FUNCTIONS = Path(__file__).parent / "functions"
DIGEST_DIGITS = 16

ROLES_EXIST = "SELECT count(*) = %s FROM pg_roles WHERE rolname = ANY(%s)"
OWNER_MAY_CREATE = "SELECT has_database_privilege('palimpsest_owner', current_database(), 'CREATE')"
IS_OWNER = "SELECT pg_has_role('palimpsest_owner', 'MEMBER')"
CREATE_TABLE = "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
FORGET_FORMER = "DELETE FROM palimpsest.migrations WHERE split_part(name, ' ', 1) = %s"
RECORD = "INSERT INTO palimpsest.migrations (name) SELECT unnest(%s::text[])"


@dataclass(frozen=True, slots=True)
class Migration:
    """An SQL file. `entries`: its name in the table `migrations`, for a function file with the digest of its content.

    The first file of the queue has further entries: the files that it contains.
    """

    file: Path
    entries: list[str]


def migrate(url: str) -> list[str]:
    """Apply the pending migrations and the rights as palimpsest_owner. Returns the names of the files.

    The login of `url` must be a member of that role. Processes that start at the same time run one after the other.

    Raises:
        SetupError: the database does not answer or is not prepared, or refuses a file; that file and the later ones are
            not applied.
    """
    try:
        with connect(url, autocommit=True) as connection:
            _require_preparation(connection)
            return _migrate(connection)
    except psycopg.OperationalError as error:
        raise SetupError(
            f"The schema cannot be made: {reason(error)}. Start PostgreSQL, or correct DATABASE_ADMIN_URL."
        ) from None
    except psycopg.Error as error:
        raise SetupError(f"The schema cannot be made: {reason(error)}.") from None


def reason(error: psycopg.Error) -> str:
    """The message of PostgreSQL or of the connection, in one line. Other messages of psycopg may quote a password."""
    if error.diag.message_primary:
        return error.diag.message_primary
    return str(error).partition("\n")[0] if isinstance(error, psycopg.OperationalError) else type(error).__name__


def pending(connection: Connection) -> list[Migration]:
    """The migrations to apply, in order. The table `migrations` must exist."""
    applied = {name for (name,) in connection.execute("SELECT name FROM migrations")}
    return [
        *(Migration(*found) for found in queue_files(applied)),
        *(migration for migration in _migrations() if not applied.issuperset(migration.entries)),
    ]


def _require_preparation(connection: Connection) -> None:
    """Check what only an administrator can do: roles, and the owner of the database.

    Raises:
        SetupError: something is missing; the message is the SQL that adds it.
    """
    roles = [role_of(part) for part in PARTS]
    if not (_is_true(connection, ROLES_EXIST, len(roles), roles) and _is_true(connection, OWNER_MAY_CREATE)):
        raise SetupError(
            "The database is not prepared. An administrator (a superuser) runs this once, connected to the database "
            f"{connection.info.dbname}:\n\n{ADMINISTRATOR.read_text()}"
        )
    if not _is_true(connection, IS_OWNER):
        user = connection.info.user
        raise SetupError(
            f"The login {user} may not act as palimpsest_owner. Correct DATABASE_ADMIN_URL, or let an administrator "
            f'run: GRANT palimpsest_owner TO "{user}"'
        )


def _is_true(connection: Connection, query: str, *parameters: object) -> bool:
    return connection.execute(query.encode(), parameters).fetchone() == (True,)


def _migrate(connection: Connection) -> list[str]:
    applied = []
    connection.execute(f"SET ROLE {role_of('owner')}")
    connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATE.key])
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {OURS}")
    connection.execute(CREATE_TABLE)
    for migration in pending(connection):
        with connection.transaction():
            _apply(connection, migration.file)
            connection.execute(FORGET_FORMER, [migration.file.name])
            connection.execute(RECORD, [migration.entries])
        applied.append(migration.file.name)
    with connection.transaction():
        apply_rights(connection)
    return applied


def _apply(connection: Connection, file: Path) -> None:
    if is_queue_file(file):
        apply_queue_file(connection, file)
    else:
        connection.execute(file.read_bytes())


def _migrations() -> Iterator[Migration]:
    """Numbered files first: functions refer to their tables."""
    for file in sorted(MIGRATIONS.glob("*.sql")):
        yield Migration(file, [file.name])
    for file in sorted(FUNCTIONS.glob("*.sql")):
        digest = sha256(file.read_bytes()).hexdigest()[:DIGEST_DIGITS]
        yield Migration(file, [f"{file.name} {digest}"])
