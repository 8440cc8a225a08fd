"""The event store without a database. A contract suite in `tests/contract` runs on it and on the real one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import cast
from uuid import UUID

from eventsourcing.utils import get_topic

from application.ports import (
    A,
    ClaimTaken,
    CommandContext,
    EventPlace,
    EventTrace,
    HistoryFilter,
    Idempotency,
    StoredResponse,
    TraceSlice,
    Unreadable,
    VersionConflict,
)
from domain.kernel import Claim, Party, Root
from infra.store.codec import layout_of
from infra.store.loading import evolve


class MemoryEventStore:
    """Implements `application.ports.EventStore` in dicts."""

    def __init__(self) -> None:
        self.log: list[Root.Event] = []
        self._calls: list[CommandContext] = []
        self.unreadable: set[UUID] = set()
        """Streams that are damaged."""
        self._claims: dict[Claim, UUID] = {}
        self.records: dict[bytes, StoredResponse] = {}
        self._tenants: dict[UUID, Party] = {}

    async def load(self, kind: type[A], id: UUID, *, version: int | None = None) -> A | None:
        if id in self.unreadable:
            raise Unreadable(f"the stream {id}")
        events = [event for event in self.log if event.originator_id == id]
        if version is not None:
            events = [event for event in events if event.originator_version <= version]
        root = evolve(kind, None, events, self._tenants.get(id))
        return root if root is None or version in (None, root.version) else None

    async def shell(self, kind: type[A], id: UUID) -> A | None:
        events = [event for event in self.log if event.originator_id == id]
        if not events or events[0].root is not kind:
            return None
        root = kind.shell(events[-1])
        root.tenant, root.erased = self._tenants[id], any(event.erases for event in events)
        return root

    async def events(self, places: Sequence[EventPlace]) -> list[Root.Event]:
        by_place = {(event.originator_id, event.originator_version): event for event in self.log}
        return [by_place[place] for place in places]

    async def claimed_by(self, claim: Claim) -> UUID | None:
        return self._claims.get(claim)

    async def stored_response(self, key: bytes) -> StoredResponse | None:
        return self.records.get(key)

    async def history(self, stream_id: UUID, wanted: HistoryFilter, before: int, count: int) -> TraceSlice:
        found = [
            trace
            for position in range(min(before - 1, len(self.log)), 0, -1)
            if (trace := self._trace(position, stream_id, wanted)) is not None
        ]
        return TraceSlice(found[:count], found[count - 1].position if len(found) > count else 0)

    def _trace(self, position: int, stream_id: UUID, wanted: HistoryFilter) -> EventTrace | None:
        """The circumstances of an event; None: another one is wanted."""
        event, call = self.log[position - 1], self._calls[position - 1]
        type_, at = get_topic(type(event)), event.timestamp
        actor_id, on_behalf_of, request_id = (
            None if call.actor is None else call.actor.user_id,
            call.on_behalf_of,
            call.correlation_id,
        )
        fits = event.originator_id == stream_id and wanted.type in (None, type_) and wanted.fits(actor_id, request_id)
        if not fits or (wanted.since and at < wanted.since) or (wanted.until and at >= wanted.until):
            return None
        return EventTrace(position, event.originator_version, type_, at, actor_id, on_behalf_of, request_id)

    async def last_position(self, stream_id: UUID, topics: Collection[str] | None = None) -> int:
        own = [n for n, event in enumerate(self.log, 1) if event.originator_id == stream_id]
        return max((n for n in own if topics is None or get_topic(type(self.log[n - 1])) in topics), default=0)

    async def append(
        self,
        changes: Sequence[Root],
        call: CommandContext,
        idempotency: Idempotency | None,
        judged_by: Mapping[UUID, int] | None = None,
    ) -> int | StoredResponse:
        if idempotency is not None and idempotency.key in self.records:
            return self.records[idempotency.key]
        events = [cast(Root.Event, event) for root in changes for event in root.pending_events]
        expected = {root.id: root.version - len(root.pending_events) for root in changes}
        for id, version in (*expected.items(), *(judged_by or {}).items()):
            if sum(event.originator_id == id for event in self.log) != version:
                raise VersionConflict([*expected])
        released = {(claim, event.originator_id) for event in events for claim in event.releases()}
        for event in events:
            for claim in event.claims():
                holder = self._claims.get(claim, event.originator_id)
                if holder != event.originator_id and (claim, holder) not in released:
                    raise ClaimTaken(claim.kind)
        for claim, _ in released:
            self._claims.pop(claim, None)
        for event in events:
            self._claims.update(dict.fromkeys(event.claims(), event.originator_id))
        self.log += events
        self._calls += [call] * len(events)
        self._erase({event.originator_id for event in events if event.erases})
        for root in changes:
            self._tenants[root.id] = root.tenant
            root.collect_events()
        if idempotency is None:
            return len(self.log)
        named = (idempotency.stream_id, idempotency.version)
        [position] = [
            n for n, event in enumerate(self.log, 1) if (event.originator_id, event.originator_version) == named
        ]
        self.records[idempotency.key] = StoredResponse(
            idempotency.fingerprint, idempotency.answer, idempotency.time, position
        )
        return position

    def _erase(self, subjects: set[UUID]) -> None:
        """Forget what the data keys of these subjects would have sealed, and their claims."""
        self._claims = {claim: holder for claim, holder in self._claims.items() if holder not in subjects}
        for n in range(len(self.log)):
            for group in layout_of(type(self.log[n])).groups:
                if getattr(self.log[n], group.subject) in subjects:
                    self.log[n] = replace(self.log[n], **group.erased)
