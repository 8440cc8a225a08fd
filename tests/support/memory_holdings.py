"""What belongs to whom, without a database. A contract suite in `tests/contract` runs on it and on the real one."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from application.ports import A, HeldStream
from domain.content import ownership
from domain.content.access_request import AccessRequest
from domain.content.document import Document
from domain.content.lending import lives
from domain.generation.generation import Generation
from domain.kernel import Party
from domain.teams.team import Team
from infra.store.loading import evolve
from tests.support.memory_store import MemoryEventStore


class MemoryHoldings:
    """Implements `application.ports.Holdings`: reads that follow the log of a store in memory at once."""

    def __init__(self, store: MemoryEventStore) -> None:
        self._store = store
        self._quarantined: dict[UUID, int] = {}

    def quarantine(self, stream_id: UUID, *, whole: bool = False) -> None:
        """Leave out the later events of a stream, or the `whole` of it."""
        known = sum(event.originator_id == stream_id for event in self._store.log)
        self._quarantined[stream_id] = 0 if whole else known

    async def documents_of(self, owner: Party) -> list[HeldStream]:
        return self._held(Document, lambda document: document.owner == owner and not document.erased)

    async def owner_of(self, document_id: UUID) -> Party | None:
        events = [event for event in self._store.log if event.originator_id == document_id]
        document = evolve(Document, None, events[: self._quarantined.get(document_id)])
        return None if document is None or document.erased else document.owner

    async def teams_of(self, user_id: UUID) -> list[HeldStream]:
        return self._held(Team, lambda team: user_id in team.members)

    async def documents_shared_with(self, address_id: UUID) -> list[HeldStream]:
        return self._held(Document, lambda document: address_id in {*document.shares, document.offered_to})

    async def documents_to_offer(self, user_id: UUID, team_id: UUID, *, now: datetime, limit: int) -> list[HeldStream]:
        team = evolve(Team, None, [event for event in self._store.log if event.originator_id == team_id])
        assert team is not None
        owner = Party("user", user_id)
        held = self._held(
            Document, lambda one: one.owner == owner and lives(one, team) and ownership.may_be_offered(one, now)
        )
        return sorted((each for each in held if each.listed), key=lambda each: each.id)[:limit]

    async def open_access_requests(self, document_id: UUID) -> list[HeldStream]:
        return self._held(
            AccessRequest, lambda request: request.document_id == document_id and request.state == "open"
        )[:1]

    async def documents_bound_to(self, user_id: UUID) -> list[HeldStream]:
        return self._held(Document, lambda document: user_id in document.share_users.values())

    async def teams_inviting(self, address_id: UUID) -> list[HeldStream]:
        return self._held(Team, lambda team: address_id in team.invited)

    async def generations_of(self, asker_id: UUID) -> list[HeldStream]:
        return self._held(Generation, lambda generation: generation.asker_id == asker_id and not generation.erased)

    async def generations_for(self, document_id: UUID) -> list[HeldStream]:
        return self._held(Generation, lambda found: found.document_id == document_id and not found.erased)

    def _held(self, kind: type[A], concerns: Callable[[A], bool]) -> list[HeldStream]:
        held = []
        for id in dict.fromkeys(event.originator_id for event in self._store.log if event.root is kind):
            events = [event for event in self._store.log if event.originator_id == id]
            root = evolve(kind, None, events[: self._quarantined.get(id)])
            listed = root is not None and concerns(root)
            if listed or id in self._quarantined:
                held.append(HeldStream(id, listed))
        return held
