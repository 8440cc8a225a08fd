"""Recently viewed documents without a database."""

from uuid import UUID


class MemoryRecentDocuments:
    """Implements `application.ports.RecentDocuments` in a list. It notes each view, however soon it is repeated."""

    def __init__(self) -> None:
        self.views: list[tuple[UUID, UUID]] = []

    def note(self, user_id: UUID, document_id: UUID) -> None:
        self.views.append((user_id, document_id))

    async def clear(self, user_id: UUID) -> None:
        self.views = [view for view in self.views if view[0] != user_id]
