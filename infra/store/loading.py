"""Loads aggregates: from the newest snapshot at or before the wanted version, and the events after it."""

from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import cast
from uuid import UUID

from eventsourcing.utils import get_topic

from application.ports import A, Unreadable
from domain.kernel import Party, Root
from infra.sealing.damage import report_damage
from infra.sealing.keyring import Keyring
from infra.sealing.store_keys import Damage, StoreKeys
from infra.store.codec import PartlyDecoded, decode_as_erased, decode_clear, subjects_in, unseal
from infra.store.event_bytes import tenant_of
from infra.store.snapshots import Interval, Snapshots
from infra.store.stream_reader import LATEST, StoredEvent, StreamGap, StreamReader


class AggregateLoader:
    """Loads aggregates at any version, and leaves snapshots behind where it replayed many events."""

    def __init__(self, reader: StreamReader, keyring: Keyring, snapshots: Snapshots) -> None:
        self._reader = reader
        self._keyring = keyring
        self._snapshots = snapshots

    async def load(self, kind: type[A], id: UUID, version: int | None) -> A | None:
        """The aggregate now, or as it was at `version`; None if no stream has that kind and version."""
        if version is None:
            return await self._latest(kind, id)
        root = await self._by_pages(kind, id, version)
        return root if root is not None and root.version == version else None

    async def shell(self, kind: type[A], id: UUID) -> A | None:
        """The aggregate without its state, as `application.ports.EventStore.shell`. One event that is intact is enough.

        Raises:
            Unreadable: no event is intact.
        """
        found: Root | None = None
        last, erased = 0, False
        async with aclosing(self._reader.history(id)) as pages:
            async for page in pages:
                for last, topic, stored, position in page:
                    with suppress(Exception):
                        event = decode_as_erased(topic, stored, id, last, self._keyring.stamps, position)
                        found = event.root.shell(event)
                        found.tenant = tenant_of(stored)
                        erased = erased or event.erases
        if found is None and last:
            raise Unreadable(f"no event of the stream {id} can be read")
        if not isinstance(found, kind):
            return None
        found._version, found.erased = last, erased
        return found

    async def _latest(self, kind: type[A], id: UUID) -> A | None:
        stream = await self._reader.stream(id)
        if not stream.complete:
            return await self._by_pages(kind, id, LATEST)
        root: A | None = None
        if stream.snapshot is not None:
            root = await self._snapshots.restore(kind, id, stream.snapshot)
            if root is None:
                return await self._by_pages(kind, id, LATEST, before=stream.snapshot.version)
        root = await self._replay(kind, id, root, stream.events)
        if root is not None:
            interval = Interval.after(stream.snapshot)
            interval.add(stream.events)
            self._snapshots.keep(root, interval, newest=True)
        return root

    async def _by_pages(self, kind: type[A], id: UUID, last: int, *, before: int = LATEST) -> A | None:
        """The aggregate after its events up to the version `last`. `before`: use snapshots of earlier versions only."""
        root, interval = await self._restore(kind, id, min(last, before - 1))
        after = 0 if root is None else root.version
        async with aclosing(self._reader.history(id, last, after=after)) as pages:
            async for events in pages:
                root = await self._replay(kind, id, root, events)
                if root is None:
                    return None
                interval.add(events)
                interval = self._snapshots.keep(root, interval, newest=False)
        if root is not None and last == LATEST:
            self._snapshots.keep(root, interval, newest=True)
        return root

    async def _restore(self, kind: type[A], id: UUID, last: int) -> tuple[A | None, Interval]:
        """The aggregate of the newest usable snapshot up to the version `last`, and the interval after it."""
        topic, shape = get_topic(kind), kind.snapshot_version
        while (stored := await self._reader.snapshot(id, last, topic, shape)) is not None:
            root = await self._snapshots.restore(kind, id, stored)
            if root is not None:
                return root, Interval.after(stored)
            last = stored.version - 1
        return None, Interval()

    async def _replay(self, kind: type[A], id: UUID, root: A | None, events: Sequence[StoredEvent]) -> A | None:
        """The aggregate after `events`, which follow `root`. Raises as `decode_page`, too."""
        if not events:
            return root
        partly = decode_page(id, root, events, self._keyring.stamps)
        # Outside of the `try`: an error of the keyring is not the fault of an event.
        keys = await self._keyring.all(subjects_in(partly))
        try:
            tenant = tenant_of(events[0][2]) if root is None else None
            return evolve(kind, root, unseal(partly, keys), tenant)
        except Exception as error:
            raise unreadable(id, events[0][0], error) from error


def decode_page(id: UUID, root: Root | None, events: Sequence[StoredEvent], stamps: StoreKeys) -> list[PartlyDecoded]:
    """The clear fields of events of a stream, which follow `root`.

    Raises:
        StreamGap: the log lacks an event.
        Damage: an event was changed since it was stored.
        Unreadable: this program does not know the form of an event.
    """
    first = Root.INITIAL_VERSION if root is None else root.version + 1
    last = first + len(events) - 1
    if (events[0][0], events[-1][0]) != (first, last):
        raise StreamGap(f"stream {id}: versions {first} to {events[-1][0]} hold {len(events)} events")
    try:
        return [decode_clear(topic, stored, id, each, stamps, at) for each, topic, stored, at in events]
    except Exception as error:
        raise unreadable(id, first, error) from error


def unreadable(id: UUID, first: int, error: Exception) -> Unreadable:
    """What to raise for an error with events of a stream, from the version `first` on. Damage is counted and logged."""
    if isinstance(error, Damage):
        report_damage("event", stream_id=str(id), after=first - 1, reason=str(error))
        return Damage(str(error))
    return Unreadable(f"an event of the stream {id} raises {type(error).__name__}")


def evolve(kind: type[A], root: Root | None, events: Sequence[Root.Event], tenant: Party | None = None) -> A | None:
    """The aggregate after `events`, which follow `root`; None if they are of another kind, or if there are none.

    `tenant`: that of the stream, where there is no `root` yet.
    """
    for event in events:
        if root is None:
            if event.root is not kind:
                return None
            root = kind.shell(event)
            if tenant is not None:
                root.tenant = tenant
        event.apply(root)
    if root is not None and events:
        root._version = events[-1].originator_version
        root._modified_on = events[-1].timestamp
    return cast("A | None", root)
