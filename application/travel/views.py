"""What auditors see of events and of states: everything but personal fields, which only people who may see them get."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.utils import get_topic

from application.ports import AuditTrail, EventStore, LoggedEvent, Point
from application.travel.differences import StateChange, difference
from application.travel.kinds import kind_of
from application.travel.states import PlainState, ShownState, plain, shown, state_of
from domain.kernel import PartyKind, Root

ENVELOPE = frozenset({"originator_id", "originator_version"})


@dataclass(frozen=True, slots=True)
class EventView:
    """An event of the log. Its leaf in the audit tree has the index `position` - 1 and the hash `leaf_hash`.

    `topic`: the aggregate; `fields`: its own fields; `sealed`, `forgotten`: JSON Pointers to those among them that are
    not shown, and to those whose key is destroyed. Of a damaged event `error` says what is wrong, and it has no fields.
    """

    position: int
    topic: str | None
    aggregate_id: UUID
    version: int
    type: str
    recorded_at: datetime
    size: int
    sha256: str
    leaf_hash: str | None
    error: str | None
    event_id: UUID | None = None
    class_version: int | None = None
    tenant_kind: PartyKind | None = None
    tenant_id: UUID | None = None
    actor_id: UUID | None = None
    on_behalf_of: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    traceparent: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    sealed: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StateView:
    """An aggregate as an event left it. `sealed`, `forgotten`: JSON Pointers into `state`, as those of an event."""

    topic: str
    id: UUID
    version: int
    event: EventView
    state: dict[str, Any]
    sealed: list[str]
    forgotten: list[str]


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """What differs between an aggregate at two points. `before`, `after`: the events that it had there.

    `not_compared`: JSON Pointers to values that are sealed. `complete`: whether all changes are listed.
    """

    topic: str
    id: UUID
    before: EventView
    after: EventView
    changes: list[StateChange]
    not_compared: list[str]
    complete: bool


async def event_views(
    trail: AuditTrail, events: Iterable[LoggedEvent], *, unsealed: Mapping[int, Root.Event] | None = None
) -> list[EventView]:
    """Return what to show of events. `unsealed`: with personal fields, by position, for a caller who may see all.

    Raises:
        Unavailable: the database does not answer.
    """
    found = [(event, _fields_of(event.data)) for event in events]
    erased = await trail.erased({seal for _, own in found for seal in own.seals.values()})
    opened = {} if unsealed is None else {position: _fields_of(event) for position, event in unsealed.items()}
    return [_event_view(event, shown(own, erased, opened.get(event.position))) for event, own in found]


def _fields_of(event: Root.Event | None) -> PlainState:
    if event is None:
        return PlainState({}, {})
    return plain({each.name: getattr(event, each.name) for each in fields(event) if each.name not in ENVELOPE})


def _event_view(event: LoggedEvent, own: ShownState) -> EventView:
    origin = event.origin
    view = EventView(
        event.position,
        None if event.data is None else get_topic(event.data.root),
        event.stream_id,
        event.version,
        event.type,
        event.recorded_at,
        event.size,
        event.digest.hex(),
        None if event.leaf_hash is None else event.leaf_hash.hex(),
        event.error,
        fields=own.values,
        sealed=own.sealed,
        forgotten=own.forgotten,
    )
    if origin is None:
        return view
    return replace(
        view,
        event_id=origin.event_id,
        class_version=origin.class_version,
        tenant_kind=origin.tenant.kind,
        tenant_id=origin.tenant.id,
        actor_id=origin.actor_id,
        on_behalf_of=origin.on_behalf_of,
        correlation_id=origin.correlation_id,
        causation_id=origin.causation_id,
        traceparent=origin.traceparent,
    )


async def state_at(
    store: EventStore, trail: AuditTrail, topic: str, id: UUID, point: Point, *, unseal: bool = False
) -> StateView | None:
    """Return an aggregate at a point; None: it had no event there. `unseal`: the caller may see personal fields.

    Raises:
        NoSuchTopic: there is no such aggregate.
        HistoryTooLarge: it has too many events.
        SearchTooWide, Unavailable: see `AuditTrail.event_at`.
        Unreadable: the stream cannot be read.
    """
    kind = kind_of(topic)
    event = await trail.event_at(id, point)
    root = None if event is None else await trail.sealed(kind, id, event.version)
    if event is None or root is None:
        return None
    state = state_of(root)
    erased = await trail.erased({*state.seals.values()})
    unsealed = None
    if unseal and state.seals:
        opened = await store.load(kind, id, version=event.version)
        unsealed = None if opened is None else state_of(opened)
    found = shown(state, erased, unsealed)
    [view] = await event_views(trail, [event])
    return StateView(topic, id, event.version, view, found.values, found.sealed, found.forgotten)


async def difference_of(
    store: EventStore,
    trail: AuditTrail,
    topic: str,
    id: UUID,
    first: Point,
    second: Point,
    *,
    unseal: bool = False,
) -> DifferenceView | None:
    """Return what differs between an aggregate at two points; None: it had no event at one of them.

    Raises as `state_at`.
    """
    before = await state_at(store, trail, topic, id, first, unseal=unseal)
    after = await state_at(store, trail, topic, id, second, unseal=unseal)
    if before is None or after is None:
        return None
    sealed = [*before.sealed, *after.sealed]
    # In a thread: texts of a million characters may be compared.
    found = await asyncio.to_thread(difference, before.state, after.state, sealed)
    return DifferenceView(topic, id, before.event, after.event, found.changes, found.not_compared, found.complete)
