"""Snapshots of aggregates at intervals, so that a load of any version replays few events.

Snapshots only save time: one that cannot be used is removed and the events are replayed; one that cannot be written is
left out. They are written in the background, one after the other. See `decisions/0005-snapshots-at-intervals.md`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import structlog
from eventsourcing.utils import get_topic

from application.ports import A, Unavailable
from domain.kernel import Root
from infra.postgres.database import Database
from infra.sealing.damage import report_damage
from infra.sealing.keyring import DataKey, ErasedKey, KeyErased, Keyring
from infra.sealing.store_keys import Damage
from infra.store.snapshot_codec import (
    SnapshotLabel,
    check_snapshot,
    decode_snapshot,
    encode_snapshot,
    is_personal,
    pack,
)
from infra.store.stream_reader import StoredEvent, StoredSnapshot

log = structlog.get_logger(__name__)

INTERVAL_EVENTS = 100
"""A snapshot is due after so many events."""
INTERVAL_BYTES = 256 * 1024
"""A snapshot is due after so many bytes of events, if they justify its size."""
INTERVAL_WORK = 20_000_000
"""A snapshot is due if events times bytes of the state reach this: each event copies the text that it changes."""
EVENT_BYTES_PER_BYTE = 2
"""So many bytes of events justify one byte of a snapshot."""
MAX_INTERVAL_EVENTS = 250
"""So many events justify a snapshot of any size."""
MAX_PENDING_BYTES = 16 * 1024 * 1024
"""Bytes of the snapshots that wait to be written. Beyond that none is added; a later load adds it."""
MAX_RECENT = 2_000
"""More streams than get a snapshot before this process learns of an erasure."""

INSERT = """
INSERT INTO snapshots (originator_id, originator_version, topic, state, snapshot_version)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
DELETE = "DELETE FROM snapshots WHERE originator_id = %s AND originator_version = %s"
DELETE_ALL = "DELETE FROM snapshots WHERE originator_id = %s"
INTERVAL_BEFORE = """
SELECT count(*), coalesce(sum(octet_length(state)), 0)::bigint FROM stored_events
WHERE originator_id = %(id)s AND originator_version <= %(version)s AND originator_version > (
    SELECT coalesce(max(originator_version), 0) FROM snapshots
    WHERE originator_id = %(id)s AND originator_version < %(version)s
)
"""


class _Job(NamedTuple):
    """Work on the table. `label`, `size`: of the state that waits to be written, if there is one."""

    run: Callable[[], Awaitable[Any]]
    label: SnapshotLabel | None = None
    size: int = 0


@dataclass(slots=True)
class Interval:
    """The events after a snapshot or the start of the stream. `version`, `size`: of that snapshot; 0 for none."""

    version: int = 0
    size: int = 0
    events: int = 0
    bytes: int = 0

    @classmethod
    def after(cls, stored: StoredSnapshot | None) -> "Interval":
        """The empty interval after a stored snapshot, or at the start of the stream."""
        return cls() if stored is None else cls(stored.version, len(stored.state))

    def add(self, page: list[StoredEvent]) -> None:
        """Add events that follow."""
        self.events += len(page)
        self.bytes += sum(len(state) for _, _, state, _ in page)

    def may_be_due(self) -> bool:
        """Whether `is_due` can hold: a state is at most as large as its snapshot and the events after it."""
        return self.is_due(0) or self._work(self.size + self.bytes)

    def is_due(self, size: int) -> bool:
        """Whether a snapshot of `size` bytes saves enough time."""
        by_bytes = self.bytes >= max(INTERVAL_BYTES, EVENT_BYTES_PER_BYTE * size)
        return self.events >= INTERVAL_EVENTS or by_bytes or self._work(size)

    def is_worth(self, size: int) -> bool:
        """Whether a snapshot of `size` bytes is kept when a newer one exists."""
        return self.events >= MAX_INTERVAL_EVENTS or self.bytes >= EVENT_BYTES_PER_BYTE * size

    def _work(self, size: int) -> bool:
        return self.events * size >= INTERVAL_WORK


class Snapshots:
    """Restores aggregates from stored snapshots, and writes snapshots in the background.

    States wait in memory unsealed, so the lease of the process calls `drop` (`infra/postgres/cache_lease.py`).
    """

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self._jobs: deque[_Job] = deque()
        self._recent: deque[UUID] = deque(maxlen=MAX_RECENT)
        """The streams whose snapshots were written last."""
        self._pending: set[SnapshotLabel] = set()
        self._pending_bytes = 0
        self._writer: asyncio.Task[None] | None = None

    async def restore(self, kind: type[A], id: UUID, stored: StoredSnapshot) -> A | None:
        """The aggregate at the version of the snapshot; None if the snapshot cannot be used.

        A damaged snapshot is reported and removed; so is one of an older shape or under an erased key removed.

        Raises:
            Unavailable: the database does not answer.
            Damage: the data key is missing or damaged.
        """
        label = SnapshotLabel(id, stored.version, stored.topic, stored.shape)
        key = await self._key(kind, id)
        try:
            return self._decode(kind, label, stored.state, key)
        except KeyErased:
            self._remove(label)
        except Damage as found:
            report_damage("snapshot", stream_id=str(id), version=stored.version, reason=str(found))
            self._remove(label)
        return None

    async def _key(self, kind: type[Root], id: UUID) -> DataKey | ErasedKey | None:
        """The key that seals snapshots of the stream; None for kinds without personal data."""
        if not is_personal(kind):
            return None
        key = await self._keyring.get(id)
        if key is None:
            raise Damage("a data key is missing")
        return key

    def _decode(self, kind: type[A], label: SnapshotLabel, stored: bytes, key: DataKey | ErasedKey | None) -> A | None:
        if (label.topic, label.shape) != (get_topic(kind), kind.snapshot_version):
            check_snapshot(label, stored, self._keyring.stamps)
            if label.topic == get_topic(kind) and label.shape < kind.snapshot_version:
                self._remove(label)
            return None
        return decode_snapshot(kind, label, stored, key, self._keyring.stamps)

    def keep(self, root: Root, interval: Interval, *, newest: bool) -> Interval:
        """Write a snapshot in the background if one is due; of an earlier version than the newest, if it is worth it.

        Returns the interval to go on with: an empty one after a snapshot that will be written, or the same.
        """
        if not interval.may_be_due() or self._pending_bytes >= MAX_PENDING_BYTES:
            return interval
        packed = pack(root)
        if not interval.is_due(len(packed)) or not (newest or interval.is_worth(len(packed))):
            return interval
        personal = is_personal(type(root))
        if personal and self._keyring.kept(root.id) is None:
            return interval
        label = SnapshotLabel(root.id, root.version, get_topic(type(root)), root.snapshot_version)
        if label not in self._pending:
            self._pending.add(label)
            self._later(_Job(partial(self._write, label, packed, personal, interval), label, len(packed)))
        return Interval(size=len(packed))

    def _remove(self, label: SnapshotLabel) -> None:
        self._later(_Job(partial(self._database.rows, DELETE, [label.stream_id, label.version])))

    def drop(self, subject_id: UUID | None) -> None:
        """Forget the states that wait to be written, those of a stream whose key was erased; None: all.

        A snapshot of the stream that was written after the erasure had deleted the others is deleted.
        """
        dropped = [job for job in self._jobs if job.label and subject_id in (None, job.label.stream_id)]
        for job in dropped:
            self._jobs.remove(job)
            self._forget(job)
        if subject_id in self._recent:
            self._later(_Job(partial(self._database.rows, DELETE_ALL, [subject_id])))

    async def _write(self, label: SnapshotLabel, packed: bytes, personal: bool, interval: Interval) -> None:
        key = self._keyring.kept(label.stream_id) if personal else None
        if key is not None or not personal:
            self._recent.append(label.stream_id)
            # In a thread: a large one takes milliseconds, which other requests would wait.
            state = await asyncio.to_thread(encode_snapshot, label, packed, key, self._keyring.stamps)
            await self._database.rows(INSERT, [label.stream_id, label.version, label.topic, state, label.shape])
            if interval.version:
                await self._thin(label.stream_id, interval.version, interval.size)

    async def _thin(self, id: UUID, version: int, size: int) -> None:
        """Remove a snapshot that is not the newest any more, if it is not worth its bytes."""
        [(events, bytes)] = await self._database.rows(INTERVAL_BEFORE, {"id": id, "version": version})
        if not Interval(events=events, bytes=bytes).is_worth(size):
            await self._database.rows(DELETE, [id, version])

    def _later(self, job: _Job) -> None:
        self._jobs.append(job)
        self._pending_bytes += job.size
        if self._writer is None:
            self._writer = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._jobs:
                job = self._jobs.popleft()
                try:
                    await job.run()
                except (Unavailable, psycopg.Error) as error:
                    log.warning("snapshot not written", error=type(error).__name__)
                finally:
                    self._forget(job)
        finally:
            self._writer = None

    def _forget(self, job: _Job) -> None:
        self._pending_bytes -= job.size
        if job.label is not None:
            self._pending.discard(job.label)

    async def drain(self) -> None:
        """Wait until the pending snapshots are written."""
        while self._writer is not None:
            await asyncio.gather(self._writer)
