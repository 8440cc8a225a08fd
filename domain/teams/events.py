"""Events of teams: bases of those that `Team` names.

Here they are only written down, because a file has its bounds; all other code uses `Team.MemberLeft` and so on.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from domain.kernel import AboutAddress, Claim, Personal, Root
from domain.teams.naming import slug_claim
from domain.teams.roles import InvitedRole, Role, rename_member

if TYPE_CHECKING:
    from domain.teams.team import Team


class NameChanged(Root.Event):
    TOPIC = "team.renamed"
    name: Personal[str]

    def apply(self, aggregate: "Team") -> None:
        aggregate.name = self.name


class SlugChanged(Root.Event):
    TOPIC = "team.slug_changed"
    slug: Personal[str]
    former_slug: Personal[str]

    def claims(self) -> Iterable[Claim]:
        return [slug_claim(self.slug)]

    def releases(self) -> Iterable[Claim]:
        return [slug_claim(self.former_slug)]

    def apply(self, aggregate: "Team") -> None:
        aggregate.slug = self.slug


class SeatsChanged(Root.Event):
    """The seats from now on, which may be fewer than the members."""

    TOPIC = "team.seats_changed"
    seats: int

    def apply(self, aggregate: "Team") -> None:
        aggregate.seats = self.seats


class MemberInvited(Root.Event):
    TOPIC = "team.member_invited"
    class_version = 2
    address_id: UUID
    email: AboutAddress[str]
    role: InvitedRole
    expires_at: datetime
    invited_by: UUID | None = None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        rename_member(state)

    def apply(self, aggregate: "Team") -> None:
        aggregate.invited[self.address_id] = self.role
        aggregate.invited_until[self.address_id] = self.expires_at


class InvitationAccepted(Root.Event):
    TOPIC = "team.invitation_accepted"
    class_version = 2
    address_id: UUID
    user_id: UUID
    role: InvitedRole

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        rename_member(state)

    def apply(self, aggregate: "Team") -> None:
        aggregate.close_invitation(self.address_id)
        aggregate.members[self.user_id] = self.role
        aggregate.removed.discard(self.user_id)
        aggregate.joined[self.user_id] = self.originator_version


class MemberJoined(Root.Event):
    """A user became a member without an invitation."""

    TOPIC = "team.member_joined"
    user_id: UUID
    role: InvitedRole

    def apply(self, aggregate: "Team") -> None:
        aggregate.members[self.user_id] = self.role
        aggregate.removed.discard(self.user_id)
        aggregate.joined[self.user_id] = self.originator_version


class InvitationDeclined(Root.Event):
    TOPIC = "team.invitation_declined"
    revokes = ("team_invitation",)
    address_id: UUID

    def apply(self, aggregate: "Team") -> None:
        aggregate.close_invitation(self.address_id)


class InvitationRevoked(Root.Event):
    TOPIC = "team.invitation_revoked"
    revokes = ("team_invitation",)
    address_id: UUID

    def apply(self, aggregate: "Team") -> None:
        aggregate.close_invitation(self.address_id)


class MemberRoleChanged(Root.Event):
    TOPIC = "team.member_role_changed"
    class_version = 2
    revokes = ("team_roster",)
    user_id: UUID
    role: Role

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        rename_member(state)

    def apply(self, aggregate: "Team") -> None:
        aggregate.members[self.user_id] = self.role


class MemberRemoved(Root.Event):
    TOPIC = "team.member_removed"
    revokes = ("team_roster",)
    user_id: UUID

    def apply(self, aggregate: "Team") -> None:
        aggregate.members.pop(self.user_id, None)
        aggregate.removed.add(self.user_id)
        aggregate.joined.pop(self.user_id, None)


class MemberLeft(Root.Event):
    TOPIC = "team.member_left"
    revokes = ("team_roster",)
    user_id: UUID

    def apply(self, aggregate: "Team") -> None:
        aggregate.members.pop(self.user_id, None)
        aggregate.joined.pop(self.user_id, None)


class OwnershipOffered(Root.Event):
    TOPIC = "team.ownership_offered"
    owner_id: UUID
    user_id: UUID

    def apply(self, aggregate: "Team") -> None:
        aggregate.offered_by, aggregate.offered_to = self.owner_id, self.user_id


class OwnershipOfferDeclined(Root.Event):
    TOPIC = "team.ownership_offer_declined"

    def apply(self, aggregate: "Team") -> None:
        aggregate.offered_by = aggregate.offered_to = None


class OwnershipOfferWithdrawn(Root.Event):
    """An owner took the offer back, or one of the two is no longer what they were."""

    TOPIC = "team.ownership_offer_withdrawn"

    def apply(self, aggregate: "Team") -> None:
        aggregate.offered_by = aggregate.offered_to = None


class DissolutionRequested(Root.Event):
    """From now on members only read what belongs to the team."""

    TOPIC = "team.dissolution_requested"
    revokes = ("team",)
    due: datetime

    def apply(self, aggregate: "Team") -> None:
        aggregate.dissolution_due = self.due


class DissolutionWithdrawn(Root.Event):
    TOPIC = "team.dissolution_withdrawn"

    def apply(self, aggregate: "Team") -> None:
        aggregate.dissolution_due = None


class OwnershipTransferred(Root.Event):
    """An owner made another member an owner, and became an admin."""

    TOPIC = "team.ownership_transferred"
    revokes = ("team_roster",)
    former_owner_id: UUID
    owner_id: UUID

    def apply(self, aggregate: "Team") -> None:
        aggregate.members[self.former_owner_id] = "admin"
        aggregate.members[self.owner_id] = "owner"
        aggregate.offered_by = aggregate.offered_to = None
