"""The bookkeeping of projections: how far each has come, and what it leaves out. It commits with the rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from infra.projector.connection import Connection
from infra.store.arrays import BigInts, Texts, Uuids
from projections.kernel import Poison

CHANNEL = "palimpsest_projected"

LOCK = """
SELECT name, version, position, quarantined FROM projections
WHERE name = ANY(%b) ORDER BY name FOR UPDATE
"""
LOCK_FREE = LOCK + "SKIP LOCKED"
LOOK = "SELECT name, version, position FROM projections WHERE name = ANY(%b)"
# One notification for each projection that moved; they are sent at the commit.
ADVANCE = """
UPDATE projections SET position = %s, moved_at = now() WHERE name = ANY(%b)
RETURNING pg_notify('palimpsest_projected', name || ':' || position)
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
class Standing:
    """How far a projection has come. `left_out`: the streams in quarantine."""

    name: str
    version: int
    position: int
    left_out: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Case:
    """A stream in quarantine: its event at `position` was the first that `projection` could not take."""

    projection: str
    stream_id: UUID
    position: int
    error: str
    at: datetime


async def look(connection: Connection, names: Iterable[str]) -> dict[str, Standing]:
    """Where those of the projections stand that there are."""
    cursor = await connection.execute(LOOK, [Texts(names)])
    return {name: Standing(name, version, position) for name, version, position in await cursor.fetchall()}


async def lock(connection: Connection, names: Iterable[str], *, wait: bool = True) -> dict[str, Standing]:
    """As `look`, but nobody else moves them until the transaction ends. Without `wait`, those that are free."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(LOCK if wait else LOCK_FREE, [Texts(names)])
    rows = await cursor.fetchall()
    confined: dict[str, set[UUID]] = {name: set() for name, *_ in rows}
    with_cases = [name for name, _, _, quarantined in rows if quarantined]
    if with_cases:
        # A statement of its own: it must see what was committed while the first one waited for the lock.
        await cursor.execute(QUARANTINED, [Texts(with_cases)])
        for name, stream_id in await cursor.fetchall():
            confined[name].add(stream_id)
    return {name: Standing(name, version, position, frozenset(confined[name])) for name, version, position, _ in rows}


async def advance(connection: Connection, names: Iterable[str], position: int) -> None:
    """Say that the projections have reached `position`."""
    await connection.execute(ADVANCE, [position, Texts(names)])


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


async def cases(connection: Connection, name: str | None = None) -> list[Case]:
    """The quarantine, of one projection or of all."""
    cursor = await connection.execute(CASES, [name, name])
    return [Case(*row) for row in await cursor.fetchall()]
