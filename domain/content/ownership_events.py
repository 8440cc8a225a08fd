"""Events of documents about their owner. Other code calls them `Document.OwnershipOffered` and so on."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from domain.kernel import AboutAddress, PartyKind, Root

if TYPE_CHECKING:
    from domain.content.document import Document


class OfferedToAddress(Root.Event):
    TOPIC = "document.ownership_offered"
    address_id: UUID
    email: AboutAddress[str]
    offered_by: UUID
    expires_at: datetime

    def apply(self, aggregate: "Document") -> None:
        aggregate.offered_to = self.address_id
        aggregate.offered_by = self.offered_by
        aggregate.offered_until = self.expires_at


class OfferedToTeam(Root.Event):
    TOPIC = "document.ownership_offered_to_team"
    team_id: UUID
    offered_by: UUID
    expires_at: datetime

    def apply(self, aggregate: "Document") -> None:
        aggregate.offered_team_id = self.team_id
        aggregate.offered_by = self.offered_by
        aggregate.offered_until = self.expires_at


class OfferDeclined(Root.Event):
    TOPIC = "document.ownership_offer_declined"

    def apply(self, aggregate: "Document") -> None:
        aggregate.end_offer()


class OfferWithdrawn(Root.Event):
    TOPIC = "document.ownership_offer_withdrawn"
    revokes = ("document_ownership_offer",)

    def apply(self, aggregate: "Document") -> None:
        aggregate.end_offer()


class OwnerChanged(Root.Event):
    """The document has another owner, and is in no folder: folders are the owner's."""

    TOPIC = "document.ownership_transferred"
    revokes = ("document",)
    former_owner_kind: PartyKind
    former_owner_id: UUID
    owner_kind: PartyKind
    owner_id: UUID

    def apply(self, aggregate: "Document") -> None:
        aggregate.owner_kind = self.owner_kind
        aggregate.owner_id = self.owner_id
        aggregate.transferred_at = self.timestamp
        aggregate.folder_id = None
        aggregate.end_offer()
