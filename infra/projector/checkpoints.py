"""The bookkeeping of projections: how far each has come, and what it leaves out. It commits with the rows."""

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
LOOK = "SELECT name, version, position FROM projections WHERE name = ANY(%b)"
# One notification for each projection that moved; they are sent at the commit.
ADVANCE = """
UPDATE projections SET position = %s, moved_at = now() WHERE name = ANY(%b)
RETURNING pg_notify('palimpsest_projected', name || ':' || position)
"""
AHEAD = "SELECT name, partition, position FROM projection_partitions WHERE name = ANY(%b)"
UNITE = """
WITH gone AS (DELETE FROM projection_partitions WHERE name = ANY(%b))
UPDATE projections SET partitions = 0 WHERE name = ANY(%b)
"""
QUARANTINED = "SELECT projection, stream_id FROM projection_quarantine WHERE projection = ANY(%b)"
CONFINE = """
WITH confined AS (
    INSERT INTO projection_quarantine (projection, stream_id, position, error)
    SELECT %s, * FROM unnest(%b::uuid[], %b::bigint[], %b::text[]) ON CONFLICT DO NOTHING RETURNING projection
)
UPDATE projections SET quarantined = quarantined + (SELECT count(*) FROM confined) WHERE name = %s
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
CASES = """
SELECT projection, stream_id, position, error, at FROM projection_quarantine
WHERE %s::text IS NULL OR projection = %s ORDER BY projection, position
"""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a projection has come. `left_out`: the streams in quarantine.

    `partitions`: the positions of its partitions, all of them, if it was fed in partitions last. None of them lies
    before `position`, unless it has moved as a whole since.
    """

    name: str
    version: int
    position: int
    left_out: frozenset[UUID] = frozenset()
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

    def news(self, events: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
        """Those of the events that have not been applied yet. All of them come after `position`."""
        if not events or events[0].position > self.front:
            return events
        return [event for event in events if event.position > self.reached(event.stream_id)]


@dataclass(frozen=True, slots=True)
class QuarantinedStream:
    """A stream in quarantine: its event at `position` was the first that `projection` could not take."""

    projection: str
    stream_id: UUID
    position: int
    error: str
    at: datetime


async def look(connection: Connection, names: Iterable[str]) -> dict[str, Checkpoint]:
    """Where those of the projections stand that there are."""
    cursor = await connection.execute(LOOK, [Texts(names)])
    return {name: Checkpoint(name, version, position) for name, version, position in await cursor.fetchall()}


async def lock(connection: Connection, names: Iterable[str], *, wait: bool = True) -> dict[str, Checkpoint]:
    """As `look`, but nobody else moves them until the transaction ends. Without `wait`, those that are free."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(LOCK if wait else LOCK_FREE, [Texts(names)])
    rows = await cursor.fetchall()
    # Statements of their own: they must see what was committed while the first one waited for the lock.
    confined = await quarantined(connection, [name for name, _, _, cases, _ in rows if cases])
    partitions = await _partitions(connection, [name for name, *_, count in rows if count])
    return {
        name: Checkpoint(name, version, position, confined.get(name, frozenset()), partitions.get(name, {}))
        for name, version, position, *_ in rows
    }


async def quarantined(connection: Connection, names: Sequence[str]) -> dict[str, frozenset[UUID]]:
    """The streams in quarantine, of those projections that have any."""
    if not names:
        return {}
    cursor = connection.cursor(binary=True)
    await cursor.execute(QUARANTINED, [Texts(names)])
    found: defaultdict[str, set[UUID]] = defaultdict(set)
    for name, stream_id in await cursor.fetchall():
        found[name].add(stream_id)
    return {name: frozenset(streams) for name, streams in found.items()}


async def _partitions(connection: Connection, names: Sequence[str]) -> dict[str, dict[int, int]]:
    if not names:
        return {}
    found: defaultdict[str, dict[int, int]] = defaultdict(dict)
    cursor = await connection.execute(AHEAD, [Texts(names)])
    for name, partition, position in await cursor.fetchall():
        found[name][partition] = position
    return found


async def advance(connection: Connection, names: Iterable[str], position: int) -> None:
    """Say that the projections have reached `position`, as a whole."""
    await connection.execute(ADVANCE, [position, Texts(names)])


async def unite(connection: Connection, standings: Iterable[Checkpoint], position: int) -> None:
    """Forget the partitions of those projections that have left all of them behind at `position`."""
    whole = Texts(standing.name for standing in standings if standing.partitions and standing.front <= position)
    if whole.values:
        await connection.execute(UNITE, [whole, whole])


async def confine(connection: Connection, name: str, poisons: Sequence[Poison]) -> None:
    """Put streams into quarantine."""
    streams = Uuids(poison.stream_id for poison in poisons)
    positions = BigInts(poison.position for poison in poisons)
    errors = Texts(poison.error for poison in poisons)
    await connection.execute(CONFINE, [name, streams, positions, errors, name])


async def release(connection: Connection, name: str, stream_id: UUID) -> int | None:
    """Let a stream out of quarantine. Answers its first position that was left out; None: it was not in."""
    cursor = await connection.execute(RELEASE, [name, stream_id, name])
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def skip(connection: Connection, name: str, position: int, stream_id: UUID) -> None:
    """Have the projection do without an event, for good."""
    await connection.execute(SKIP, [name, position, stream_id])


async def skipped(connection: Connection, name: str) -> frozenset[int]:
    """The positions that the projection does without."""
    cursor = await connection.execute(SKIPPED, [name])
    return frozenset(position for (position,) in await cursor.fetchall())


async def cases(connection: Connection, name: str | None = None) -> list[QuarantinedStream]:
    """The quarantine, of one projection or of all."""
    cursor = await connection.execute(CASES, [name, name])
    return [QuarantinedStream(*row) for row in await cursor.fetchall()]
