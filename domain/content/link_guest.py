"""Guests: users who came to a document by share links. One stream for each user and document.

So a link may be used by very many people at once, and none of them waits for another.
"""

from datetime import datetime
from uuid import UUID, uuid5

from domain.kernel import FirstEvent, Party, Root


class LinkGuest(Root):
    """The links by which one user came to one document. `ShareLinks` says which of them are still valid."""

    TOPIC = "link_guest"

    class Joined(FirstEvent):
        TOPIC = "link_guest.joined"
        document_id: UUID
        user_id: UUID
        link_id: UUID

        def apply(self, aggregate: "LinkGuest") -> None:
            aggregate.document_id = self.document_id
            aggregate.user_id = self.user_id
            aggregate.link_ids = [self.link_id]

    class JoinedAgain(Root.Event):
        """The user opened another link, or one that they had left."""

        TOPIC = "link_guest.joined_again"
        document_id: UUID
        user_id: UUID
        link_id: UUID

        def apply(self, aggregate: "LinkGuest") -> None:
            aggregate.link_ids.append(self.link_id)

    class Left(Root.Event):
        """The user gave the role back that a link gave them."""

        TOPIC = "link_guest.left"
        revokes = ("link_guest",)
        document_id: UUID
        user_id: UUID
        link_id: UUID

        def apply(self, aggregate: "LinkGuest") -> None:
            aggregate.link_ids.remove(self.link_id)

    document_id: UUID
    user_id: UUID
    link_ids: list[UUID]

    @staticmethod
    def id_of(document_id: UUID, user_id: UUID) -> UUID:
        """Return the id of a user's visits to a document by links."""
        return uuid5(document_id, f"link_guest {user_id}")

    @classmethod
    def join(cls, *, document_id: UUID, user_id: UUID, link_id: UUID, now: datetime) -> "LinkGuest":
        """Come to the document by a link, for the first time."""
        id, tenant = cls.id_of(document_id, user_id), Party("user", user_id)
        return cls.start_stream(
            cls.Joined, id=id, tenant=tenant, now=now, document_id=document_id, user_id=user_id, link_id=link_id
        )

    def join_again(self, *, link_id: UUID, now: datetime) -> None:
        """Come by a link once more. A link that brought the user already causes no event."""
        if link_id not in self.link_ids:
            self.trigger_event(
                self.JoinedAgain, now=now, document_id=self.document_id, user_id=self.user_id, link_id=link_id
            )

    def leave(self, *, now: datetime) -> None:
        """Give all roles by links back. A second time, there is no event."""
        for link_id in [*self.link_ids]:
            self.trigger_event(self.Left, now=now, document_id=self.document_id, user_id=self.user_id, link_id=link_id)
