"""Loads aggregates at any version without data keys: marks stand for personal data (`withholding.py`).

Snapshots are of no use for that, since they have texts in clear. So all events up to the version are replayed, and
some states on the way are kept in memory: they hold nothing personal, and no erasure changes them.
"""

from collections import OrderedDict
from contextlib import aclosing
from typing import Any
from uuid import UUID

from application.ports import A, HistoryTooLarge
from application.travel.seals import SealedList
from domain.kernel import Root
from infra.sealing.store_keys import StoreKeys
from infra.store.event_bytes import tenant_of
from infra.store.loading import decode_page, evolve, unreadable
from infra.store.stream_reader import StreamReader
from infra.store.withholding import withhold

INTERVAL_EVENTS = 1_000
"""A state is kept after so many events."""
MAX_KEPT = 1_000
"""The most states in memory. Those of the stream that was loaded least recently go first."""


class KeptStates:
    """States of streams in memory, by version."""

    def __init__(self) -> None:
        self._streams: OrderedDict[UUID, dict[int, Root]] = OrderedDict()
        self._count = 0

    def newest(self, kind: type[A], id: UUID, version: int) -> A | None:
        """A copy of the newest state of a stream up to a version, if one is kept."""
        states = self._streams.get(id, {})
        found = max((each for each in states if each <= version), default=None)
        root = None if found is None else states[found]
        if not isinstance(root, kind):
            return None
        self._streams.move_to_end(id)
        return _copied_root(root)

    def keep(self, root: Root) -> None:
        """Keep a copy of a state."""
        states = self._streams.setdefault(root.id, {})
        self._count += root.version not in states
        states[root.version] = _copied_root(root)
        self._streams.move_to_end(root.id)
        while self._count > MAX_KEPT:
            _, dropped = self._streams.popitem(last=False)
            self._count -= len(dropped)


def _copied_root(root: A) -> A:
    copy = object.__new__(type(root))
    copy.__dict__.update({name: _copied(value) for name, value in vars(root).items()})
    return copy


def _copied(value: Any) -> Any:
    match value:
        case dict():
            return {name: _copied(item) for name, item in value.items()}
        case SealedList():
            return value
        case list():
            return [_copied(item) for item in value]
        case set():
            return set(value)
    return value


class SealedLoader:
    """Loads aggregates with marks for personal data."""

    def __init__(self, reader: StreamReader, stamps: StoreKeys) -> None:
        self._reader = reader
        self._stamps = stamps
        self._kept = KeptStates()

    async def load(self, kind: type[A], id: UUID, version: int, max_events: int) -> A | None:
        """The aggregate as it was at `version`; None if no stream has that kind and version.

        Raises:
            HistoryTooLarge: more than `max_events` would be replayed.
            Unavailable: the database does not answer.
            StreamGap, Damage, Unreadable: see `infra.store.loading.decode_page`.
        """
        root = self._kept.newest(kind, id, version)
        kept = 0 if root is None else root.version
        if version - kept > max_events:
            raise HistoryTooLarge(max_events)
        async with aclosing(self._reader.history(id, version, after=kept)) as pages:
            async for page in pages:
                partly = decode_page(id, root, page, self._stamps)
                try:
                    root = evolve(kind, root, withhold(partly), tenant_of(page[0][2]) if root is None else None)
                except Exception as error:
                    raise unreadable(id, page[0][0], error) from error
                if root is None:
                    return None
                if root.version - kept >= INTERVAL_EVENTS:
                    self._kept.keep(root)
                    kept = root.version
        return root if root is not None and root.version == version else None
