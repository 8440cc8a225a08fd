"""Checkpoints of projections: the position that each has reached, and the streams in its quarantine.

They change in the transaction that changes the rows.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from application.ports import RecordedEvent
from infra.postgres.arrays import BigInts, Texts, Uuids
from infra.postgres.projector_connection import Connection
from infra.store.partitioner import key_of, partition_of
from projections.kernel import Poison

CHANNEL = "palimpsest_projected"

LOCK = """
SELECT name, version, position, quarantined, partitions FROM projections
WHERE name = ANY(%b) ORDER BY name FOR UPDATE
"""
LOCK_FREE = LOCK + "SKIP LOCKED"
READ = "SELECT name, version, position FROM projections WHERE name = ANY(%b)"
# PostgreSQL sends the notification at the commit, and equal ones of a transaction once.
ADVANCE = """
UPDATE projections SET position = %s, moved_at = now() WHERE name = ANY(%b)
RETURNING pg_notify('palimpsest_projected', '')
"""
READ_PARTITIONS = "SELECT name, partition, position FROM projection_partitions WHERE name = ANY(%b)"
MERGE_PARTITIONS = """
WITH gone AS (DELETE FROM projection_partitions WHERE name = ANY(%b))
UPDATE projections SET partitions = 0 WHERE name = ANY(%b)
"""
QUARANTINED = "SELECT projection, stream_id FROM projection_quarantine WHERE projection = ANY(%b)"
QUARANTINE = """
WITH added AS (
    INSERT INTO projection_quarantine (projection, stream_id, position, error)
    SELECT %s, * FROM unnest(%b::uuid[], %b::bigint[], %b::text[]) ON CONFLICT DO NOTHING RETURNING projection
)
UPDATE projections SET quarantined = quarantined + (SELECT count(*) FROM added) WHERE name = %s
"""
RELEASE = """
WITH released AS (
    DELETE FROM projection_quarantine WHERE projection = %s AND stream_id = %s RETURNING position
)
UPDATE projections SET quarantined = quarantined - 1, generation = generation + 1
FROM released WHERE name = %s RETURNING released.position
"""
SKIP = "INSERT INTO projection_skips (projection, position, stream_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
SKIPPED = "SELECT position FROM projection_skips WHERE projection = %s"
LIST_QUARANTINE = """
SELECT projection, stream_id, position, error, at FROM projection_quarantine
WHERE %s::text IS NULL OR projection = %s ORDER BY projection, position
"""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The position that a projection has reached. `quarantined`: its streams in quarantine.

    `partitions`: the position of every partition, if a partitioned feed moved the projection last; empty otherwise.
    None of them is below `position`, unless the projection has moved as a whole since.
    """

    name: str
    version: int
    position: int
    quarantined: frozenset[UUID] = frozenset()
    partitions: Mapping[int, int] = field(default_factory=dict)

    @property
    def front(self) -> int:
        """The position after which no event has been applied."""
        return max(self.position, *self.partitions.values()) if self.partitions else self.position

    def reached(self, stream_id: UUID) -> int:
        """The position up to which the stream's events have been applied."""
        if not self.partitions:
            return self.position
        return max(self.position, self.partitions[partition_of(key_of(stream_id), len(self.partitions))])

    def unapplied(self, events: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
        """The events that have not been applied yet. All `events` come after `position`."""
        if not events or events[0].position > self.front:
            return events
        return [event for event in events if event.position > self.reached(event.stream_id)]


@dataclass(frozen=True, slots=True)
class QuarantinedStream:
    """A stream in quarantine: its event at `position` was the first that `projection` could not apply."""

    projection: str
    stream_id: UUID
    position: int
    error: str
    at: datetime


async def read(connection: Connection, names: Iterable[str]) -> dict[str, Checkpoint]:
    """The checkpoints by name, without quarantine and partitions; no entry for a projection that does not exist."""
    cursor = await connection.execute(READ, [Texts(names)])
    return {name: Checkpoint(name, version, position) for name, version, position in await cursor.fetchall()}


async def lock(connection: Connection, names: Iterable[str], *, wait: bool = True) -> dict[str, Checkpoint]:
    """The checkpoints by name, locked until the transaction ends.

    Without `wait`, checkpoints that another transaction has locked are not in the result.
    """
    cursor = connection.cursor(binary=True)
    await cursor.execute(LOCK if wait else LOCK_FREE, [Texts(names)])
    rows = await cursor.fetchall()
    # Separate statements: they must see what was committed while the first one waited for the lock.
    streams = await quarantined(connection, [name for name, _, _, count, _ in rows if count])
    partitions = await _read_partitions(connection, [name for name, *_, count in rows if count])
    return {
        name: Checkpoint(name, version, position, streams.get(name, frozenset()), partitions.get(name, {}))
        for name, version, position, *_ in rows
    }


async def quarantined(connection: Connection, names: Sequence[str]) -> dict[str, frozenset[UUID]]:
    """The streams in quarantine by projection; no entry for a projection without any."""
    if not names:
        return {}
    cursor = connection.cursor(binary=True)
    await cursor.execute(QUARANTINED, [Texts(names)])
    found: defaultdict[str, set[UUID]] = defaultdict(set)
    for name, stream_id in await cursor.fetchall():
        found[name].add(stream_id)
    return {name: frozenset(streams) for name, streams in found.items()}


async def _read_partitions(connection: Connection, names: Sequence[str]) -> dict[str, dict[int, int]]:
    if not names:
        return {}
    found: defaultdict[str, dict[int, int]] = defaultdict(dict)
    cursor = await connection.execute(READ_PARTITIONS, [Texts(names)])
    for name, partition, position in await cursor.fetchall():
        found[name][partition] = position
    return found


async def advance(connection: Connection, names: Iterable[str], position: int) -> None:
    """Move the projections to `position`, as a whole, and notify waiting readers at the commit."""
    await connection.execute(ADVANCE, [position, Texts(names)])


async def merge_partitions(connection: Connection, checkpoints: Iterable[Checkpoint], position: int) -> None:
    """Delete the partitions of the projections that have passed all of them at `position`."""
    whole = Texts(
        checkpoint.name for checkpoint in checkpoints if checkpoint.partitions and checkpoint.front <= position
    )
    if whole.values:
        await connection.execute(MERGE_PARTITIONS, [whole, whole])


async def quarantine(connection: Connection, name: str, poisons: Sequence[Poison]) -> None:
    """Put streams into quarantine."""
    streams = Uuids(poison.stream_id for poison in poisons)
    positions = BigInts(poison.position for poison in poisons)
    errors = Texts(poison.error for poison in poisons)
    await connection.execute(QUARANTINE, [name, streams, positions, errors, name])


async def release(connection: Connection, name: str, stream_id: UUID) -> int | None:
    """Remove a stream from quarantine.

    Returns the position of its first event that was not applied; None: the stream was not in quarantine.
    """
    cursor = await connection.execute(RELEASE, [name, stream_id, name])
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def skip(connection: Connection, name: str, position: int, stream_id: UUID) -> None:
    """Mark an event as skipped by the projection, at every rebuild too."""
    await connection.execute(SKIP, [name, position, stream_id])


async def skipped(connection: Connection, name: str) -> frozenset[int]:
    """The positions that the projection skips."""
    cursor = await connection.execute(SKIPPED, [name])
    return frozenset(position for (position,) in await cursor.fetchall())


async def list_quarantine(connection: Connection, name: str | None = None) -> list[QuarantinedStream]:
    """All streams in quarantine, of one projection or of all."""
    cursor = await connection.execute(LIST_QUARANTINE, [name, name])
    return [QuarantinedStream(*row) for row in await cursor.fetchall()]
