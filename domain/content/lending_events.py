"""Events of documents that are lent to teams. Other code calls them `Document.SharedWithTeam` and so on."""

from typing import TYPE_CHECKING
from uuid import UUID

from domain.content.roles import ShareRole
from domain.kernel import Root

if TYPE_CHECKING:
    from domain.content.document import Document


class SharedWithTeam(Root.Event):
    """The owner lent the document to a team. `membership`: theirs in the team, for as long as which the loan lives."""

    TOPIC = "document.shared_with_team"
    team_id: UUID
    role: ShareRole
    membership: int

    def apply(self, aggregate: "Document") -> None:
        aggregate.team_shares[self.team_id] = {"role": self.role, "membership": self.membership}


class TeamShareChanged(Root.Event):
    TOPIC = "document.team_share_changed"
    revokes = ("document_team_share",)
    team_id: UUID
    role: ShareRole

    def apply(self, aggregate: "Document") -> None:
        if self.team_id in aggregate.team_shares:
            aggregate.team_shares[self.team_id]["role"] = self.role


class TeamShareRevoked(Root.Event):
    TOPIC = "document.team_share_revoked"
    revokes = ("document_team_share",)
    team_id: UUID

    def apply(self, aggregate: "Document") -> None:
        aggregate.team_shares.pop(self.team_id, None)
