"""Schemas with the tables of a replay: made, listed and dropped by the owner of the database.

The owner makes the schema, and a part fills it: the auditor, who may do nothing but read beside, or, if personal fields
are unsealed, the projector, who may read data keys. Only that part may read the tables. Names begin with `replay_`.

No projector applies events to a schema with unsealed fields, so an erasure has to wait for it: it has a checkpoint
among those of read models until it is dropped.
"""

import re
from datetime import datetime
from typing import NamedTuple

import psycopg
from psycopg import sql

from infra.errors import SetupError
from infra.postgres.connect import Connection
from infra.replay.code_version import CodeVersion
from infra.settings.database import Part, role_of

PREFIX = "replay_"
ABOUT, QUARANTINE = "about", "quarantine"
"""Tables beside those of the read models: what the schema is, and the streams that its code cannot fold."""

_NAME = re.compile(rf"{PREFIX}[a-z0-9_]{{1,50}}")

LISTED = "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s) ORDER BY nspname"
CREATE = """
CREATE SCHEMA {schema};
GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};
CREATE TABLE {schema}.about (
    position    bigint      NOT NULL,
    unsealed    boolean     NOT NULL,
    release     text        NOT NULL,
    code        bytea       NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE TABLE {schema}.quarantine (read_model text, stream_id uuid, position bigint, error text);
GRANT SELECT ON {schema}.about, {schema}.quarantine TO {role};
GRANT INSERT ON {schema}.quarantine TO {role};
"""
DESCRIBE = "INSERT INTO {schema}.about (position, unsealed, release, code) VALUES (%s, %s, %s, %s)"
FINISH = "UPDATE {schema}.about SET finished_at = now()"
READ = "SELECT position, unsealed, release, code, started_at, finished_at FROM {schema}.about"
HOLD_ERASURES = "INSERT INTO projections (name, version, position) VALUES (%s, 0, %s)"
RELEASE_ERASURES = "DELETE FROM projections WHERE name = %s"


class ReplaySchema(NamedTuple):
    """A schema with the tables of a replay. `finished_at`: None if it was interrupted, or is being filled."""

    name: str
    position: int
    unsealed: bool
    code: CodeVersion
    started_at: datetime
    finished_at: datetime | None

    @property
    def part(self) -> Part:
        """The part that fills and reads it."""
        return part_of(self.unsealed)


def part_of(unsealed: bool) -> Part:
    """Return the part that fills and reads a schema."""
    return "projector" if unsealed else "auditor"


def require_name(name: str) -> str:
    """Check the name of a schema.

    Raises:
        SetupError: it is not one of a replay.
    """
    if not _NAME.fullmatch(name):
        raise SetupError(f"The name of the schema is {PREFIX} and small letters, digits and underscores, not {name}")
    return name


def listed(owner: Connection) -> list[ReplaySchema]:
    """Return all schemas of replays, by name."""
    return [describe(owner, name) for (name,) in owner.execute(LISTED, [PREFIX]).fetchall()]


def describe(connection: Connection, name: str) -> ReplaySchema:
    """Return what a schema is.

    Raises:
        SetupError: there is no such schema, or the session may not read it.
    """
    try:
        is_there = connection.execute("SELECT to_regclass(%s)", [f"{require_name(name)}.{ABOUT}"]).fetchone() != (None,)
    except psycopg.errors.InsufficientPrivilege:
        raise SetupError(f"{name} has personal fields: the auditor may not read it.") from None
    if not is_there:
        raise SetupError(f"There is no schema {name} of a replay. See: palimpsest audit replay --list")
    row = connection.execute(_of(name, READ)).fetchone()
    assert row is not None
    position, unsealed, release, code, *times = row
    return ReplaySchema(name, position, unsealed, CodeVersion(release, code), *times)


def create(owner: Connection, name: str, position: int, unsealed: bool, code: CodeVersion) -> None:
    """Create a schema, empty. One of this name that was not finished is replaced.

    Raises:
        SetupError: there is a finished one of this name.
    """
    with owner.transaction():
        if owner.execute("SELECT FROM pg_namespace WHERE nspname = %s", [require_name(name)]).fetchone() is not None:
            if describe(owner, name).finished_at is not None:
                raise SetupError(f"{name} is there already. Drop it first, or choose another one by --schema.")
            drop(owner, name)
        owner.execute(_of(name, CREATE, role_of(part_of(unsealed))))
        owner.execute(_of(name, DESCRIBE), [position, unsealed, *code])
        if unsealed:
            owner.execute(HOLD_ERASURES, [name, position])


def finish(owner: Connection, name: str) -> None:
    """Mark a schema as finished."""
    owner.execute(_of(name, FINISH))


def drop(owner: Connection, name: str) -> None:
    """Drop a schema with its tables."""
    with owner.transaction():
        owner.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(require_name(name))))
        owner.execute(RELEASE_ERASURES, [name])


def _of(name: str, statement: str, role: str = "") -> sql.Composed:
    # Statements are code, not input.
    return sql.SQL(statement).format(schema=sql.Identifier(name), role=sql.Identifier(role))
