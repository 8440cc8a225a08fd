"""Port to the circumstances of events: who caused them, when, and by which request. What they say is not in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which events to return: those that fit all that is set. `type`: of the event, such as `document.saved`.

    `since`, `until`: recorded from this time on, and before this one. `request_id`: the request that caused it, itself
    or by what followed from it.
    """

    type: str | None = None
    actor_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    request_id: UUID | None = None

    def fits(self, actor_id: UUID | None, request_id: UUID | None) -> bool:
        """Return whether the circumstances that only the event itself holds are those that are set."""
        return self.actor_id in (None, actor_id) and self.request_id in (None, request_id)


@dataclass(frozen=True, slots=True)
class EventTrace:
    """An event and its circumstances. `actor_id`: None if the system or an anonymous request caused it."""

    position: int
    version: int
    type: str
    at: datetime
    actor_id: UUID | None
    on_behalf_of: UUID | None
    request_id: UUID | None


@dataclass(frozen=True, slots=True)
class TraceSlice:
    """Some events of a stream, the latest first, and how far it was searched: down to the position `reached`.

    `reached` is 0 at the beginning of the stream.
    """

    traces: Sequence[EventTrace]
    reached: int
