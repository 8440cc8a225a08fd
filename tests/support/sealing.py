"""Fills logs, seals them in the process of a test, and reads what was sealed."""

from typing import Any

from infra.audit import tables
from infra.audit.notes import CheckpointSigner
from infra.audit.sealing_session import SealingSession
from infra.audit.tiles import TileId
from infra.postgres.connect import connect
from infra.settings.audit import DEFAULT_ORIGIN
from infra.store.audit_leaf import leaf
from infra.store.log_rows import EVENT_COLUMNS
from tests.support.servers import Database
from tests.support.stores import LOG_KEY, rows

SIGNER = CheckpointSigner(DEFAULT_ORIGIN, LOG_KEY)
"""The signer that the keys of the tests and the default settings make."""

FILL = """
INSERT INTO stored_events (originator_id, originator_version, topic, state, notification_id, recorded_at)
SELECT md5(((position - 1) / 5)::text)::uuid, mod(position - 1, 5) + 1, 'note.extended',
    sha256(position::text::bytea) || %s::bytea, position,
    '2026-11-30 12:00:00Z'::timestamptz + position * interval '1 millisecond'
FROM (SELECT coalesce(max(notification_id), 0) AS head FROM stored_events) AS log,
    generate_series(head + 1, head + %s) AS position
"""
ALL_EVENTS = f"SELECT {EVENT_COLUMNS} FROM stored_events ORDER BY notification_id"
ALL_TILES = "SELECT level, number, content FROM log_tiles UNION ALL SELECT level, number, content FROM log_edges"


def always_leading() -> bool:
    """Answer for a lease that is always held."""
    return True


def fill(database: Database, number: int, more: bytes = b"") -> None:
    """Append events of no aggregate, fast. `more`: further bytes of each."""
    rows(database.admin_url, FILL, more, number)


def seal(database: Database, signer: CheckpointSigner = SIGNER) -> int:
    """Seal the whole log, as a process that begins now. Returns the size of the tree.

    Raises:
        HistoryRefused: the log is not the one that was sealed.
    """
    with connect(database.part_url("sealer"), autocommit=True) as connection:
        session = SealingSession(connection, signer)
        while session.step(always_leading):
            pass
        return session.signed.size if session.signed else 0


def entries(database: Database) -> list[bytes]:
    """The leaf of every event in the log."""
    return [leaf(*row) for row in rows(database.admin_url, ALL_EVENTS)]


def stored_tiles(database: Database) -> dict[TileId, bytes]:
    """Every tile that is stored, partial ones included."""
    return {TileId(level, number): content for level, number, content in rows(database.admin_url, ALL_TILES)}


def notes(database: Database) -> list[str]:
    """Every checkpoint that was signed, in order."""
    return [note for (note,) in rows(database.admin_url, "SELECT note FROM log_checkpoints ORDER BY size")]


def last_note(database: Database) -> str:
    """The last checkpoint that was signed."""
    with connect(database.admin_url) as connection:
        found = tables.last_checkpoint(connection)
    assert found is not None
    return found.note


def execute(database: Database, statement: str, *parameters: Any) -> None:
    """Change something as a superuser: no right stops it."""
    rows(database.admin_url, statement, *parameters)


def empty_tree(database: Database) -> None:
    """Remove what is sealed, as a superuser. The log stays."""
    rows(database.admin_url, "TRUNCATE log_tiles, log_edges, log_checkpoints")
