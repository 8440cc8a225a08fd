"""Loading aggregates: which snapshot and which events are read, and which versions can be had."""

from collections.abc import AsyncGenerator, Collection, Iterable
from typing import Any, cast
from uuid import UUID

import pytest
from eventsourcing.utils import get_topic

from domain.kernel import Root
from domain.teams.team import Team
from infra.sealing.keyring import DataKey
from infra.store.codec import layout_of
from infra.store.loading import AggregateLoader
from infra.store.snapshots import Interval
from infra.store.stream_reader import LATEST, StoredEvent, StoredSnapshot, StoredStream, StreamGap
from tests.support.note import AUTHOR, Note
from tests.support.stored import encoded
from tests.support.stores import STAMPS

ID = UUID(int=1)
KEY = DataKey(bytes(32))
PAGE = 3


class Keys:
    """A keyring with one key for all."""

    stamps = STAMPS

    async def all(self, subject_ids: Collection[UUID]) -> dict[int, DataKey]:
        return {subject_id.int: KEY for subject_id in subject_ids}


def written(lines: int) -> Note:
    """A note with so many lines, which is its version."""
    note = Note.write(ID, "1")
    for n in range(2, lines + 1):
        note.extend(str(n))
    return note


def snapshot(version: int) -> StoredSnapshot:
    return StoredSnapshot(version, get_topic(Note), b"." * 10, Note.snapshot_version)


class Store:
    """A stream with some snapshots (`StreamReader`), and what is done with snapshots (`Snapshots`)."""

    def __init__(self, events: int, snapshots: Iterable[int] = (), *, complete: bool = True) -> None:
        note = written(events)
        self.events: list[StoredEvent] = [
            (n, layout_of(type(event)).topic, encoded(event, {ID.int: KEY, AUTHOR.int: KEY}), n)
            for n, event in enumerate((each for each in note.pending_events if isinstance(each, Root.Event)), 1)
        ]
        self.snapshots = sorted(snapshots)
        self.complete = complete
        self.unusable: set[int] = set()
        self.read: list[int] = []
        """The versions of the events that were read."""
        self.kept: list[tuple[int, int, int, bool]] = []
        """Version, version of the snapshot before, events since then, and whether it is the newest."""

    async def stream(self, id: UUID) -> StoredStream:
        last = snapshot(self.snapshots[-1]) if self.snapshots else None
        return StoredStream(last, self.after(last.version if last else 0, LATEST), self.complete)

    async def snapshot(self, id: UUID, last: int, topic: str, shape: int) -> StoredSnapshot | None:
        assert shape == (Team if topic == get_topic(Team) else Note).snapshot_version
        fitting = [version for version in self.snapshots if version <= last and topic == get_topic(Note)]
        return snapshot(fitting[-1]) if fitting else None

    async def history(self, id: UUID, last: int = LATEST, *, after: int = 0) -> AsyncGenerator[list[StoredEvent], None]:
        found = self.after(after, last)
        for start in range(0, len(found), PAGE):
            yield found[start : start + PAGE]

    def after(self, after: int, last: int) -> list[StoredEvent]:
        found = [event for event in self.events if after < event[0] <= last]
        self.read += [version for version, *_ in found]
        return found

    async def restore(self, kind: type[Root], id: UUID, stored: StoredSnapshot) -> Any:
        if stored.version in self.unusable:
            return None
        root = written(stored.version)
        root.collect_events()
        return root

    def keep(self, root: Root, interval: Interval, *, newest: bool) -> Interval:
        self.kept.append((root.version, interval.version, interval.events, newest))
        return interval

    async def load(self, version: int | None = None, kind: type[Root] = Note) -> Any:
        """Load the aggregate."""
        return await AggregateLoader(cast(Any, self), cast(Any, Keys()), cast(Any, self)).load(kind, ID, version)


def lines(note: Note | None) -> int | None:
    """The number of lines, which are complete and in order."""
    if note is None:
        return None
    assert note.lines == [str(n) for n in range(1, note.version + 1)]
    return note.version


async def test_the_newest_version_comes_from_the_last_snapshot_and_the_events_after_it() -> None:
    store = Store(7, snapshots=[2, 5])
    assert lines(await store.load()) == 7
    assert store.kept == [(7, 5, 2, True)]


async def test_a_stream_without_snapshots_is_replayed_from_its_start() -> None:
    store = Store(2)
    note = await store.load()
    assert (lines(note), note.tenant.id) == (2, UUID(int=7))
    assert store.kept == [(2, 0, 2, True)]


async def test_a_long_stream_is_read_by_pages() -> None:
    store = Store(8, snapshots=[1], complete=False)
    assert lines(await store.load()) == 8
    assert store.kept == [(4, 1, 3, False), (7, 1, 6, False), (8, 1, 7, False), (8, 1, 7, True)]


async def test_a_snapshot_that_cannot_be_used_is_passed_over_for_an_earlier_one() -> None:
    store = Store(6, snapshots=[1, 3, 5])
    store.unusable = {3, 5}
    assert lines(await store.load()) == 6
    assert store.kept[-1] == (6, 1, 5, True)


@pytest.mark.parametrize(("version", "read"), [(6, [5, 6]), (4, []), (5, [5]), (3, [2, 3]), (1, [])])
async def test_an_earlier_version_comes_from_the_snapshot_before_it(version: int, read: list[int]) -> None:
    store = Store(8, snapshots=[1, 4])
    assert lines(await store.load(version)) == version
    assert store.read == read
    assert all(newest is False for *_, newest in store.kept)


@pytest.mark.parametrize("version", [0, 9])
async def test_a_version_that_does_not_exist_is_none(version: int) -> None:
    assert await Store(8, snapshots=[4]).load(version) is None


async def test_a_stream_of_another_kind_or_without_events_is_none() -> None:
    assert await Store(3).load(kind=Team) is None
    assert await Store(3, complete=False).load(kind=Team) is None
    store = Store(1)
    store.events.clear()
    assert await store.load() is None
    assert store.kept == []


@pytest.mark.parametrize("missing", [1, 2, 4])
@pytest.mark.parametrize("complete", [True, False])
async def test_a_missing_event_is_an_error(missing: int, complete: bool) -> None:
    store = Store(5, complete=complete)
    del store.events[missing - 1]
    with pytest.raises(StreamGap, match=f"stream {ID}"):
        await store.load()
