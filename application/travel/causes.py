"""What one request caused, as a tree: an event is below the event that caused it (`CommandContext.causation_id`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.ports import AuditTrail, EventFilter, EventStore, LoggedEvent
from application.travel.views import EventView, event_views

MAX_CAUSED = 500
"""The most events of a tree. The record of a read names everybody whom they concern, 2,000 people at most."""


@dataclass(frozen=True, slots=True)
class CausedEvent:
    """An event of a request. `caused_by`: the position of the event that caused it; None: the request itself did.

    `depth`: how many events are above it.
    """

    depth: int
    caused_by: int | None
    event: EventView


@dataclass(frozen=True, slots=True)
class CauseTree:
    """What one request caused, each event before those that it caused. `complete`: whether these are all events."""

    correlation_id: UUID
    events: list[CausedEvent]
    complete: bool


async def caused_by(_: EventStore, trail: AuditTrail, correlation_id: UUID) -> CauseTree | None:
    """Return what a request caused, by its correlation id (`X-Request-Id` of its response); None: no event.

    Raises:
        SearchTooWide, Unavailable: see `AuditTrail.search`.
    """
    wanted = EventFilter(correlation_id=correlation_id)
    found, last = list[LoggedEvent](), 0
    while len(found) <= MAX_CAUSED and (page := await trail.search(wanted, last, MAX_CAUSED + 1 - len(found))):
        found += page
        last = page[-1].position
    views = await event_views(trail, found[:MAX_CAUSED])
    return CauseTree(correlation_id, in_order(views), len(found) <= MAX_CAUSED) if views else None


def in_order(events: Sequence[EventView]) -> list[CausedEvent]:
    """Return events, given by position, in the order of their tree. One whose cause is not among them is at the top."""
    positions = {event.event_id: event.position for event in events if event.event_id is not None}
    below: dict[int | None, list[EventView]] = {}
    for event in reversed(events):
        cause = positions.get(event.causation_id) if event.causation_id is not None else None
        # A cause is older than its effect; a log that says otherwise was changed, and must not make a circle.
        below.setdefault(cause if cause is not None and cause < event.position else None, []).append(event)
    ordered: list[CausedEvent] = []
    waiting: list[tuple[int, int | None, EventView]] = [(0, None, event) for event in below.get(None, [])]
    while waiting:
        depth, cause, event = waiting.pop()
        ordered.append(CausedEvent(depth, cause, event))
        waiting += [(depth + 1, event.position, each) for each in below.get(event.position, [])]
    return ordered
