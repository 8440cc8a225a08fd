"""The bookkeeping of projections that are fed in partitions, by several projectors at once.

Whoever applies a portion holds a share of the projection (KEY SHARE) and the rows of its partitions alone. Who moves a
projection as a whole, rebuilds it or takes a stream out of quarantine locks it (FOR UPDATE), which shuts all of those
out. The projection's own position, the least of its partitions', moves at the end, one projector after the other.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from application.ports import PartitionCheckpoint
from infra.errors import SetupError
from infra.postgres.arrays import BigInts, Ints, Texts
from infra.postgres.projector_connection import Connection
from infra.projector.checkpoints import quarantined

DIVIDE = "UPDATE projections SET partitions = %s WHERE name = ANY(%b) AND partitions = 0"
BEGIN = """
INSERT INTO projection_partitions (name, partition, position)
SELECT name, partition, position FROM projections, generate_series(0, partitions - 1) AS partition
WHERE name = ANY(%b) ON CONFLICT DO NOTHING
"""
COUNTS = "SELECT name, partitions FROM projections WHERE name = ANY(%b)"
# A projection that has moved as a whole since has left its partitions' own positions behind.
PLACES = """
SELECT name, partition, greatest(part.position, whole.position), next_offset
FROM projection_partitions part JOIN projections whole USING (name) WHERE name = ANY(%b)
"""
SHARE = "SELECT name, version, position FROM projections WHERE name = ANY(%b) ORDER BY name FOR KEY SHARE"
LOCK = """
SELECT name, partition, position FROM projection_partitions
WHERE name = ANY(%b) AND partition = ANY(%b) ORDER BY name, partition FOR UPDATE
"""
MOVE = """
UPDATE projection_partitions AS part
SET position = new.position, next_offset = coalesce(new.next_offset, part.next_offset)
FROM unnest(%b::text[], %b::int[], %b::bigint[], %b::bigint[]) AS new (name, partition, position, next_offset)
WHERE part.name = new.name AND part.partition = new.partition
"""
TURN = "SELECT FROM projections WHERE name = ANY(%b) ORDER BY name FOR NO KEY UPDATE"
ADVANCE = """
WITH least AS (
    SELECT name, min(position) AS position FROM projection_partitions WHERE name = ANY(%b) GROUP BY name
)
UPDATE projections SET position = least.position, moved_at = now()
FROM least WHERE projections.name = least.name AND projections.position < least.position
RETURNING pg_notify('palimpsest_projected', projections.name || ':' || projections.position)
"""


class WrongPartitionCount(SetupError):
    """A projection stands in another number of partitions than there are."""


@dataclass(frozen=True, slots=True)
class CheckpointUpdate:
    """A projection's new place in a partition. `offset`: None leaves it as it was."""

    name: str
    partition: int
    position: int
    offset: int | None


@dataclass(frozen=True, slots=True)
class PartitionClaims:
    """A projection as one projector holds it: its positions in the partitions asked for."""

    version: int
    left_out: frozenset[UUID]
    positions: Mapping[int, int]


async def divide(connection: Connection, names: Sequence[str], count: int) -> None:
    """Let the projections be fed in `count` partitions from now on.

    Raises:
        WrongCount: they are fed in another number already.
    """
    async with connection.transaction():
        await connection.execute(TURN, [Texts(names)])
        await connection.execute(DIVIDE, [count, Texts(names)])
        cursor = await connection.execute(COUNTS, [Texts(names)])
        for name, found in await cursor.fetchall():
            if found != count:
                raise WrongPartitionCount(
                    f"The read model {name} stands in {found} partitions, and Kafka's topic has {count}. "
                    "Let a projector with --feed store catch up first; then change to this topic."
                )
        await connection.execute(BEGIN, [Texts(names)])


async def places(connection: Connection, names: Iterable[str]) -> dict[str, dict[int, PartitionCheckpoint]]:
    """Where the projections stand, by partition."""
    found: defaultdict[str, dict[int, PartitionCheckpoint]] = defaultdict(dict)
    cursor = await connection.execute(PLACES, [Texts(names)])
    for name, partition, position, offset in await cursor.fetchall():
        found[name][partition] = PartitionCheckpoint(position, offset)
    return found


async def lock(connection: Connection, names: Sequence[str], partitions: Iterable[int]) -> dict[str, PartitionClaims]:
    """Where the projections stand in these partitions. Nobody else moves them there until the transaction ends."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(SHARE, [Texts(names)])
    rows = await cursor.fetchall()
    await cursor.execute(LOCK, [Texts(names), Ints(sorted(set(partitions)))])
    found: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for name, partition, position in await cursor.fetchall():
        found[name][partition] = position
    confined = await quarantined(connection, names)
    return {
        name: PartitionClaims(version, confined.get(name, frozenset()), _at_least(position, found[name]))
        for name, version, position in rows
    }


def _at_least(position: int, partitions: Mapping[int, int]) -> dict[int, int]:
    return {partition: max(position, own) for partition, own in partitions.items()}


async def advance(connection: Connection, moves: Sequence[CheckpointUpdate]) -> None:
    """Note the new places, and how far the projections have come with them as a whole.

    After it nothing but the end of the transaction may follow: others wait for their turn.
    """
    names = Texts(sorted({move.name for move in moves}))
    columns = (
        Texts(move.name for move in moves),
        Ints(move.partition for move in moves),
        BigInts(move.position for move in moves),
        BigInts(move.offset for move in moves),
    )
    await connection.execute(MOVE, columns)
    await connection.execute(TURN, [names])
    await connection.execute(ADVANCE, [names])
