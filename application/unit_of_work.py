"""Unit of work: the aggregates that one attempt of one command has loaded and staged."""

from uuid import UUID

from application.ports import A, EventStore, StaleVersion
from domain.kernel import Claim, NotFound, Root


class UnitOfWork:
    """Implements `ports.Store`: loads from the event store, and keeps staged aggregates for one append."""

    def __init__(self, events: EventStore) -> None:
        self._events = events
        self.loaded: list[Root] = []
        self.staged: list[Root] = []

    @property
    def subject_id(self) -> UUID | None:
        """The id of the command's main aggregate: the first staged one, or else the first loaded one."""
        first = next(iter(self.staged or self.loaded), None)
        return None if first is None else first.id

    async def get(self, kind: type[A], id: UUID, *, version: int | None = None, expected: int | None = None) -> A:
        """See `ports.Store.get`."""
        root = await self._events.load(kind, id, version=version)
        if root is None:
            raise NotFound(f"There is no such {kind.__name__.lower()}.")
        self.loaded.append(root)
        if expected is not None and root.version != expected:
            raise StaleVersion(root.version)
        return root

    async def claimed_by(self, claim: Claim) -> UUID | None:
        """See `ports.Store.claimed_by`."""
        return await self._events.claimed_by(claim)

    def save(self, *aggregates: Root) -> None:
        """See `ports.Store.save`."""
        self.staged += [root for root in aggregates if root.pending_events]
