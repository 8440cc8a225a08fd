"""Checkpoints: the position that each consumer of the log has reached, and the streams in its quarantine.

They change in the transaction that changes what the consumer keeps. Each kind of consumers (`TableNames`) has tables of
its own, with the same columns.
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
SELECT name, version, position, quarantined, partitions FROM {consumers}
WHERE name = ANY(%b) ORDER BY name FOR UPDATE
"""
LOCK_FREE = LOCK + "SKIP LOCKED"
READ = "SELECT name, version, position FROM {consumers} WHERE name = ANY(%b)"
ADVANCE = """
UPDATE {consumers} SET position = %s, moved_at = now() WHERE name = ANY(%b) {notify}
"""
# PostgreSQL sends the notification at the commit, and equal ones of a transaction once.
NOTIFY = "RETURNING pg_notify('palimpsest_projected', '')"
READ_PARTITIONS = "SELECT name, partition, position FROM {partitions} WHERE name = ANY(%b)"
MERGE_PARTITIONS = """
WITH gone AS (DELETE FROM {partitions} WHERE name = ANY(%b))
UPDATE {consumers} SET partitions = 0 WHERE name = ANY(%b)
"""
QUARANTINED = "SELECT {kind}, stream_id FROM {quarantine} WHERE {kind} = ANY(%b)"
QUARANTINE = """
WITH added AS (
    INSERT INTO {quarantine} ({kind}, stream_id, position, error)
    SELECT %s, * FROM unnest(%b::uuid[], %b::bigint[], %b::text[]) ON CONFLICT DO NOTHING RETURNING {kind}
)
UPDATE {consumers} SET quarantined = quarantined + (SELECT count(*) FROM added) WHERE name = %s
"""
RELEASE = """
WITH released AS (
    DELETE FROM {quarantine} WHERE {kind} = %s AND stream_id = %s RETURNING position
)
UPDATE {consumers} SET quarantined = quarantined - 1, generation = generation + 1
FROM released WHERE name = %s RETURNING released.position
"""
SKIP = "INSERT INTO {skips} ({kind}, position, stream_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
SKIPPED = "SELECT position FROM {skips} WHERE {kind} = %s"
LIST_QUARANTINE = """
SELECT {kind}, stream_id, position, error, at FROM {quarantine}
WHERE %s::text IS NULL OR {kind} = %s ORDER BY {kind}, position
"""


@dataclass(frozen=True, slots=True)
class TableNames:
    """Names of the tables of one kind of consumers: `consumers`, and three whose names begin with `kind`.

    `kind` is also the column with the consumer's name. `notifies`: whether each move notifies waiting readers.
    """

    kind: str
    consumers: str
    notifies: bool

    def fill(self, statement: str) -> str:
        """Return the statement for these tables."""
        return statement.format(
            kind=self.kind,
            consumers=self.consumers,
            quarantine=f"{self.kind}_quarantine",
            skips=f"{self.kind}_skips",
            partitions=f"{self.kind}_partitions",
            notify=NOTIFY if self.notifies else "",
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The position that a consumer has reached. `quarantined`: its streams in quarantine.

    `partitions`: the position of every partition, if a partitioned feed moved the consumer last; empty otherwise.
    None of them is below `position`, unless the consumer has moved as a whole since.
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
    """A stream in quarantine: its event at `position` was the first that `consumer` could not apply."""

    consumer: str
    stream_id: UUID
    position: int
    error: str
    at: datetime


class Checkpoints:
    """The checkpoints of one kind of consumers."""

    def __init__(self, names: TableNames) -> None:
        self.names = names
        self._find = names.fill(READ)
        self._lock = names.fill(LOCK)
        self._lock_free = names.fill(LOCK_FREE)
        self._find_quarantined = names.fill(QUARANTINED)
        self._find_partitions = names.fill(READ_PARTITIONS)
        self._advance = names.fill(ADVANCE)
        self._merge_partitions = names.fill(MERGE_PARTITIONS)
        self._quarantine = names.fill(QUARANTINE)
        self._release = names.fill(RELEASE)
        self._skip = names.fill(SKIP)
        self._find_skipped = names.fill(SKIPPED)
        self._list_quarantine = names.fill(LIST_QUARANTINE)

    async def read(self, connection: Connection, names: Iterable[str]) -> dict[str, Checkpoint]:
        """The checkpoints by name, without quarantine and partitions; no entry for a consumer that does not exist."""
        cursor = await connection.execute(self._find, [Texts(names)])
        return {name: Checkpoint(name, version, position) for name, version, position in await cursor.fetchall()}

    async def lock(self, connection: Connection, names: Iterable[str], *, wait: bool = True) -> dict[str, Checkpoint]:
        """The checkpoints by name, locked until the transaction ends.

        Without `wait`, checkpoints that another transaction has locked are not in the result.
        """
        cursor = connection.cursor(binary=True)
        await cursor.execute(self._lock if wait else self._lock_free, [Texts(names)])
        rows = await cursor.fetchall()
        # Separate statements: they must see what was committed while the first one waited for the lock.
        streams = await self.quarantined(connection, [name for name, _, _, count, _ in rows if count])
        partitions = await self._read_partitions(connection, [name for name, *_, count in rows if count])
        return {
            name: Checkpoint(name, version, position, streams.get(name, frozenset()), partitions.get(name, {}))
            for name, version, position, *_ in rows
        }

    async def quarantined(self, connection: Connection, names: Sequence[str]) -> dict[str, frozenset[UUID]]:
        """The streams in quarantine by consumer; no entry for one without any."""
        if not names:
            return {}
        cursor = connection.cursor(binary=True)
        await cursor.execute(self._find_quarantined, [Texts(names)])
        found: defaultdict[str, set[UUID]] = defaultdict(set)
        for name, stream_id in await cursor.fetchall():
            found[name].add(stream_id)
        return {name: frozenset(streams) for name, streams in found.items()}

    async def _read_partitions(self, connection: Connection, names: Sequence[str]) -> dict[str, dict[int, int]]:
        if not names:
            return {}
        found: defaultdict[str, dict[int, int]] = defaultdict(dict)
        cursor = await connection.execute(self._find_partitions, [Texts(names)])
        for name, partition, position in await cursor.fetchall():
            found[name][partition] = position
        return found

    async def advance(self, connection: Connection, names: Iterable[str], position: int) -> None:
        """Move the consumers to `position`, as a whole."""
        await connection.execute(self._advance, [position, Texts(names)])

    async def merge_partitions(self, connection: Connection, checkpoints: Iterable[Checkpoint], position: int) -> None:
        """Delete the partitions of the consumers that have passed all of them at `position`."""
        whole = Texts(
            checkpoint.name for checkpoint in checkpoints if checkpoint.partitions and checkpoint.front <= position
        )
        if whole.values:
            await connection.execute(self._merge_partitions, [whole, whole])

    async def quarantine(self, connection: Connection, name: str, poisons: Sequence[Poison]) -> None:
        """Put streams into quarantine."""
        streams = Uuids(poison.stream_id for poison in poisons)
        positions = BigInts(poison.position for poison in poisons)
        errors = Texts(poison.error for poison in poisons)
        await connection.execute(self._quarantine, [name, streams, positions, errors, name])

    async def release(self, connection: Connection, name: str, stream_id: UUID) -> int | None:
        """Remove a stream from quarantine.

        Returns the position of its first event that was not applied; None: the stream was not in quarantine.
        """
        cursor = await connection.execute(self._release, [name, stream_id, name])
        row = await cursor.fetchone()
        return None if row is None else row[0]

    async def skip(self, connection: Connection, name: str, position: int, stream_id: UUID) -> None:
        """Mark an event as skipped by the consumer; a rebuild skips it too."""
        await connection.execute(self._skip, [name, position, stream_id])

    async def skipped(self, connection: Connection, name: str) -> frozenset[int]:
        """The positions that the consumer skips."""
        cursor = await connection.execute(self._find_skipped, [name])
        return frozenset(position for (position,) in await cursor.fetchall())

    async def list_quarantine(self, connection: Connection, name: str | None = None) -> list[QuarantinedStream]:
        """All streams in quarantine, of one consumer or of all."""
        cursor = await connection.execute(self._list_quarantine, [name, name])
        return [QuarantinedStream(*row) for row in await cursor.fetchall()]


PROJECTIONS = Checkpoints(TableNames("projection", "projections", notifies=True))
"""The checkpoints of read models."""
