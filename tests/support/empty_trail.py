"""A log for auditors in which nothing has happened. The real one needs PostgreSQL: `tests/integration/audit`."""

from collections.abc import Collection
from uuid import UUID

from application.ports import A, EventFilter, LoggedEvent, Point
from application.travel.seals import Seal


class EmptyTrail:
    """Implements `application.ports.AuditTrail` for a log without events."""

    async def event_at(self, stream_id: UUID, point: Point) -> LoggedEvent | None:
        return None

    async def sealed(self, kind: type[A], id: UUID, version: int) -> A | None:
        return None

    async def erased(self, seals: Collection[Seal]) -> set[Seal]:
        return set()

    async def head(self) -> int:
        return 0

    async def search(self, wanted: EventFilter, after: int, limit: int) -> list[LoggedEvent]:
        return []
