"""Events of documents about their shares. Other code calls them `Document.Shared` and so on."""

from typing import TYPE_CHECKING
from uuid import UUID

from domain.content.roles import ShareRole
from domain.kernel import AboutAddress, Root

if TYPE_CHECKING:
    from domain.content.document import Document


class SharedWithAddress(Root.Event):
    TOPIC = "document.shared"
    address_id: UUID
    email: AboutAddress[str]
    role: ShareRole

    def apply(self, aggregate: "Document") -> None:
        aggregate.shares[self.address_id] = self.role


class ShareChanged(Root.Event):
    TOPIC = "document.share_changed"
    revokes = ("document_access",)
    address_id: UUID
    role: ShareRole

    def apply(self, aggregate: "Document") -> None:
        aggregate.shares[self.address_id] = self.role


class ShareBound(Root.Event):
    """A share was used for the first time.

    It takes access from no person: an address has one verified holder at a time.
    """

    TOPIC = "document.share_bound"
    address_id: UUID
    user_id: UUID

    def apply(self, aggregate: "Document") -> None:
        aggregate.share_users[self.address_id] = self.user_id


class ShareRevoked(Root.Event):
    TOPIC = "document.share_revoked"
    revokes = ("document_access",)
    address_id: UUID

    def apply(self, aggregate: "Document") -> None:
        aggregate.shares.pop(self.address_id, None)
        aggregate.share_users.pop(self.address_id, None)
