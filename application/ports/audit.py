"""Port to the log as auditors read it: any event with its metadata and its leaf, and any aggregate at any version."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.ports.store import A
from application.travel.seals import Seal
from domain.kernel import Conflict, Party, Root


class SearchTooWide(Conflict):
    """The search would read too much of the log."""

    def __init__(self) -> None:
        super().__init__("Too many events would be read; name a stream, an actor or a request, or a shorter time.")


class HistoryTooLarge(Conflict):
    """The state has too many events before it to be computed here."""

    def __init__(self, max_events: int) -> None:
        super().__init__(f"More than {max_events} events lead to this version; `palimpsest audit at` shows it.")


@dataclass(frozen=True, slots=True)
class Point:
    """A moment in the life of a stream: its version, or the last one up to a position or an instant. One is set."""

    version: int | None = None
    position: int | None = None
    instant: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to find: those that fit all that is set. `topic`: an aggregate; `type`: of events.

    `since`: recorded at that time or later; `until`: before that time.
    """

    stream_id: UUID | None = None
    actor_id: UUID | None = None
    topic: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    correlation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class EventOrigin:
    """The circumstances of an event (`CommandContext`). `tenant`: the payer whom the stream was created for."""

    event_id: UUID
    class_version: int
    tenant: Party
    actor_id: UUID | None
    on_behalf_of: UUID | None
    correlation_id: UUID | None
    causation_id: UUID | None
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event of the log. `size`, `digest`: number and SHA-256 of its stored bytes; `leaf_hash`: of its leaf in the
    audit tree (RFC 9162); None: it has no leaf.

    `origin`, `data`: None if the event is damaged or of no known type; `error` says why. Personal fields of `data` are
    marks (`application/travel/seals.py`).
    """

    position: int
    stream_id: UUID
    version: int
    type: str
    recorded_at: datetime
    size: int
    digest: bytes
    leaf_hash: bytes | None
    origin: EventOrigin | None
    data: Root.Event | None
    error: str | None = None


class AuditTrail(Protocol):
    """The log for auditors. It needs data keys for `erased` alone; it unseals nothing."""

    async def event_at(self, stream_id: UUID, point: Point) -> LoggedEvent | None:
        """Return the event that a stream had at a point; None: it had none.

        Raises:
            Unavailable: the database does not answer.
        """

    async def sealed(self, kind: type[A], id: UUID, version: int) -> A | None:
        """Return the aggregate at a version with marks for personal data; None: there is none of that kind.

        Raises:
            HistoryTooLarge: it has too many events.
            Unavailable: the database does not answer.
            Unreadable: the stream cannot be read.
        """

    async def erased(self, seals: Collection[Seal]) -> set[Seal]:
        """Return those of the seals whose keys are destroyed.

        Raises:
            Unavailable: the database does not answer.
        """

    async def head(self) -> int:
        """Return the last position; 0: the log is empty.

        Raises:
            Unavailable: the database does not answer.
        """

    async def search(self, wanted: EventFilter, after: int, limit: int) -> list[LoggedEvent]:
        """Return at most `limit` events after the position `after`, in order, and fewer if they are large.

        An answer without events is the end.

        Raises:
            SearchTooWide: it would take too long.
            Unavailable: the database does not answer.
        """
