"""Stars: documents that a user wants to find quickly. They are the user's, not the document's."""

from datetime import datetime
from uuid import UUID, uuid5

from domain.kernel import FirstEvent, Party, Root


class Star(Root):
    """One user's star on one document. Who may set it is decided by the document's action `star`."""

    TOPIC = "star"

    class Placed(FirstEvent):
        TOPIC = "star.placed"
        user_id: UUID
        document_id: UUID

        def apply(self, aggregate: "Star") -> None:
            self.assign(aggregate)
            aggregate.placed = True

    class PlacedAgain(Root.Event):
        TOPIC = "star.placed_again"

        def apply(self, aggregate: "Star") -> None:
            aggregate.placed = True

    class Removed(Root.Event):
        TOPIC = "star.removed"

        def apply(self, aggregate: "Star") -> None:
            aggregate.placed = False

    user_id: UUID
    document_id: UUID
    placed: bool

    @staticmethod
    def id_of(user_id: UUID, document_id: UUID) -> UUID:
        """Return the id of a user's star on a document: there is at most one."""
        return uuid5(user_id, f"star {document_id}")

    @classmethod
    def place(cls, *, user_id: UUID, document_id: UUID, now: datetime) -> "Star":
        """Set a star for the first time."""
        return cls.start_stream(
            cls.Placed,
            id=cls.id_of(user_id, document_id),
            tenant=Party("user", user_id),
            now=now,
            user_id=user_id,
            document_id=document_id,
        )

    def place_again(self, *, now: datetime) -> None:
        """Set a removed star again. A star in place causes no event."""
        if not self.placed:
            self.trigger_event(self.PlacedAgain, now=now)

    def remove(self, *, now: datetime) -> None:
        """Remove the star. A second removal causes no event."""
        if self.placed:
            self.trigger_event(self.Removed, now=now)
