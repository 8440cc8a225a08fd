"""Publication: a document that everybody may read under an address of its own, for as long as its owner wants.

It does not change the document, and is no status of it: a draft may be public, too.
"""

from datetime import datetime
from uuid import UUID, uuid5

from domain.access import Person, require_verified
from domain.content.document import Document
from domain.kernel import FirstEvent, Root


class Publication(Root):
    """Whether a document is public. Its id is the public one: it follows from the document's, but not the reverse."""

    TOPIC = "publication"

    class Started(FirstEvent):
        TOPIC = "publication.started"
        document_id: UUID

        def apply(self, aggregate: "Publication") -> None:
            self.assign(aggregate)
            aggregate.public = False
            aggregate.indexed = False

    class Published(Root.Event):
        """The document became public, or its owner changed whether search engines may list it."""

        TOPIC = "publication.published"
        document_id: UUID
        indexed: bool

        def apply(self, aggregate: "Publication") -> None:
            aggregate.public = True
            aggregate.indexed = self.indexed

    class Withdrawn(Root.Event):
        TOPIC = "publication.withdrawn"
        revokes = ("publication",)

        def apply(self, aggregate: "Publication") -> None:
            aggregate.public = False

    document_id: UUID
    public: bool
    indexed: bool

    @staticmethod
    def id_of(document_id: UUID) -> UUID:
        """Return the public id of a document."""
        return uuid5(document_id, "publication")

    @classmethod
    def start(cls, document: Document, *, now: datetime) -> "Publication":
        """Start the publication of a document, which was never public."""
        id = cls.id_of(document.id)
        return cls.start_stream(cls.Started, id=id, tenant=document.tenant, now=now, document_id=document.id)

    def publish(self, document: Document, *, indexed: bool, by: Person, now: datetime) -> None:
        """Make the document public. `indexed`: search engines may list it. The same again causes no event.

        Raises:
            NotFound, RoleTooLow: the person is not the owner.
            AddressNotVerified: their own address is not verified.
            DocumentIsTrashed: the document is in the trash.
        """
        document.require("publish", by)
        require_verified(by)
        document.require_untrashed()
        if (self.public, self.indexed) != (True, indexed):
            self.trigger_event(self.Published, now=now, document_id=document.id, indexed=indexed)

    def withdraw(self, document: Document, *, by: Person, now: datetime) -> None:
        """End the publication. Allowed in the trash, too.

        Raises:
            NotFound, RoleTooLow: the person is not the owner.
        """
        document.require("publish", by)
        if self.public:
            self.trigger_event(self.Withdrawn, now=now)
