"""Events of documents about where they are kept. Other code calls them `Document.Filed` and so on."""

from typing import TYPE_CHECKING
from uuid import UUID

from domain.kernel import Personal, Root

if TYPE_CHECKING:
    from domain.content.document import Document


class FiledInFolder(Root.Event):
    """The document is in another folder of its owner; None: in no folder."""

    TOPIC = "document.filed"
    folder_id: UUID | None = None

    def apply(self, aggregate: "Document") -> None:
        aggregate.folder_id = self.folder_id


class TagsReplaced(Root.Event):
    """The document has these tags, and no others."""

    TOPIC = "document.tagged"
    tags: Personal[list[str]]

    def apply(self, aggregate: "Document") -> None:
        aggregate.tags = self.tags


class MovedToTrash(Root.Event):
    """The document is in the trash: only its owner can bring it back."""

    TOPIC = "document.trashed"
    revokes = ("document",)

    def apply(self, aggregate: "Document") -> None:
        aggregate.trashed_at = self.timestamp


class RestoredFromTrash(Root.Event):
    """The document is out of the trash again."""

    TOPIC = "document.restored_from_trash"

    def apply(self, aggregate: "Document") -> None:
        aggregate.trashed_at = None
