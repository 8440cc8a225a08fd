"""Checkpoints of consumers that several projectors feed at once, each with some partitions of the log.

Applying a batch takes `FOR KEY SHARE` on the consumer's row and `FOR UPDATE` on its partition rows. Moving the whole
consumer, rebuilding it and releasing a quarantined stream take `FOR UPDATE` on its row, which excludes all of these.
The row's own position is the smallest of its partitions' positions; it moves at the end of the transaction, one
projector after the other.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from application.ports import PartitionCheckpoint
from infra.errors import SetupError
from infra.postgres.arrays import BigInts, Ints, Texts
from infra.postgres.projector_connection import Connection
from infra.projector.checkpoints import Checkpoints

SPLIT = "UPDATE {consumers} SET partitions = %s WHERE name = ANY(%b) AND partitions = 0"
CREATE_PARTITIONS = """
INSERT INTO {partitions} (name, partition, position)
SELECT name, partition, position FROM {consumers}, generate_series(0, partitions - 1) AS partition
WHERE name = ANY(%b) ON CONFLICT DO NOTHING
"""
COUNTS = "SELECT name, partitions FROM {consumers} WHERE name = ANY(%b)"
# A consumer that has moved as a whole since is ahead of its partitions' own positions.
READ = """
SELECT name, partition, greatest(part.position, whole.position), next_offset
FROM {partitions} part JOIN {consumers} whole USING (name) WHERE name = ANY(%b)
"""
LOCK_CONSUMERS = "SELECT name, version, position FROM {consumers} WHERE name = ANY(%b) ORDER BY name FOR KEY SHARE"
LOCK_PARTITIONS = """
SELECT name, partition, position FROM {partitions}
WHERE name = ANY(%b) AND partition = ANY(%b) ORDER BY name, partition FOR UPDATE
"""
UPDATE_PARTITIONS = """
UPDATE {partitions} AS part
SET position = new.position, next_offset = coalesce(new.next_offset, part.next_offset)
FROM unnest(%b::text[], %b::int[], %b::bigint[], %b::bigint[]) AS new (name, partition, position, next_offset)
WHERE part.name = new.name AND part.partition = new.partition
"""
LOCK_TO_ADVANCE = "SELECT FROM {consumers} WHERE name = ANY(%b) ORDER BY name FOR NO KEY UPDATE"
ADVANCE = """
WITH least AS (
    SELECT name, min(position) AS position FROM {partitions} WHERE name = ANY(%b) GROUP BY name
)
UPDATE {consumers} SET position = least.position, moved_at = now()
FROM least WHERE {consumers}.name = least.name AND {consumers}.position < least.position
{notify}
"""


class WrongPartitionCount(SetupError):
    """A consumer is split into another number of partitions than the feed has."""


@dataclass(frozen=True, slots=True)
class CheckpointUpdate:
    """A consumer's new position in a partition. `offset`: None leaves the stored offset unchanged."""

    name: str
    partition: int
    position: int
    offset: int | None


@dataclass(frozen=True, slots=True)
class PartitionClaims:
    """A consumer's locked partitions: their positions by partition, and the streams in quarantine."""

    version: int
    quarantined: frozenset[UUID]
    positions: Mapping[int, int]


class PartitionCheckpoints:
    """The checkpoints by partition of one kind of consumers."""

    def __init__(self, whole: Checkpoints) -> None:
        self._whole = whole
        fill = whole.names.fill
        self._split = fill(SPLIT)
        self._create = fill(CREATE_PARTITIONS)
        self._counts = fill(COUNTS)
        self._find = fill(READ)
        self._lock_partitions = fill(LOCK_PARTITIONS)
        self._update = fill(UPDATE_PARTITIONS)
        self._lock_to_advance = fill(LOCK_TO_ADVANCE)
        self._advance = fill(ADVANCE)
        self._lock_consumers = fill(LOCK_CONSUMERS)

    async def split(self, connection: Connection, names: Sequence[str], count: int) -> None:
        """Split the consumers' checkpoints into `count` partitions, if they are not split yet.

        Raises:
            WrongPartitionCount: they are split into another number already.
        """
        async with connection.transaction():
            await connection.execute(self._lock_to_advance, [Texts(names)])
            await connection.execute(self._split, [count, Texts(names)])
            cursor = await connection.execute(self._counts, [Texts(names)])
            for name, found in await cursor.fetchall():
                if found != count:
                    raise WrongPartitionCount(
                        f"{name} is split into {found} partitions, and Kafka's topic has {count}. "
                        "Let a process with --feed store catch up first; then change to this topic."
                    )
            await connection.execute(self._create, [Texts(names)])

    async def read(self, connection: Connection, names: Iterable[str]) -> dict[str, dict[int, PartitionCheckpoint]]:
        """The checkpoints by name and partition."""
        found: defaultdict[str, dict[int, PartitionCheckpoint]] = defaultdict(dict)
        cursor = await connection.execute(self._find, [Texts(names)])
        for name, partition, position, offset in await cursor.fetchall():
            found[name][partition] = PartitionCheckpoint(position, offset)
        return found

    async def lock(
        self, connection: Connection, names: Sequence[str], partitions: Iterable[int]
    ) -> dict[str, PartitionClaims]:
        """The consumers' checkpoints in these partitions, locked until the transaction ends."""
        cursor = connection.cursor(binary=True)
        await cursor.execute(self._lock_consumers, [Texts(names)])
        rows = await cursor.fetchall()
        await cursor.execute(self._lock_partitions, [Texts(names), Ints(sorted(set(partitions)))])
        found: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for name, partition, position in await cursor.fetchall():
            found[name][partition] = position
        streams = await self._whole.quarantined(connection, names)
        return {
            name: PartitionClaims(version, streams.get(name, frozenset()), _at_least(position, found[name]))
            for name, version, position in rows
        }

    async def advance(self, connection: Connection, updates: Sequence[CheckpointUpdate]) -> None:
        """Store the new partition positions, and the position of each consumer that follows from them.

        Commit right after it: other projectors wait for this lock.
        """
        names = Texts(sorted({update.name for update in updates}))
        columns = (
            Texts(update.name for update in updates),
            Ints(update.partition for update in updates),
            BigInts(update.position for update in updates),
            BigInts(update.offset for update in updates),
        )
        await connection.execute(self._update, columns)
        await connection.execute(self._lock_to_advance, [names])
        await connection.execute(self._advance, [names])


def _at_least(position: int, partitions: Mapping[int, int]) -> dict[int, int]:
    return {partition: max(position, own) for partition, own in partitions.items()}
