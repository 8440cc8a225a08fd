"""Integration events and state of teams: how they grow. Neither names of teams nor invited addresses are published."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from adapters.integration_events.identity.user import UserId
from adapters.integration_events.kernel import Count, PublicEvent, PublicState
from adapters.integration_events.mapping import From
from domain.teams.roles import InvitedRole, Role
from domain.teams.team import Team

TeamId = Annotated[UUID, Meta(description="Id of the team.")]
Seats = Annotated[Count, Meta(description="Number of seats. No one joins when all are taken.")]
PublicRole = Literal[Role, "member"]
"""`member` is what editors were called before there were viewers and guests: topics keep old records."""
PublicInvitedRole = Literal[InvitedRole, "member"]

Member = Annotated[UserId, Meta(description="Id of the member.")]


class TeamEvent(PublicEvent):
    """Base of the events of a team."""

    team_id: Annotated[TeamId, From("originator_id")]


class TeamFounded(TeamEvent, of=Team.Founded):
    """A user founded a team, and is its first member and owner."""

    NAME = "team.founded"
    owner_id: Annotated[UserId, Meta(description="Id of the user who owns the team.")]
    seats: Seats


class TeamRenamed(TeamEvent, of=Team.Renamed):
    """The name of a team changed."""

    NAME = "team.renamed"


class TeamSlugChanged(TeamEvent, of=Team.SlugChanged):
    """The slug of a team changed."""

    NAME = "team.slug_changed"


class TeamSeatsChanged(TeamEvent, of=Team.SeatsChanged):
    """A team got other seats, by its plan. They may be fewer than its members, who all stay."""

    NAME = "team.seats_changed"
    seats: Seats


class TeamMemberInvited(TeamEvent, of=Team.MemberInvited):
    """A person was invited. The invitation holds a seat."""

    NAME = "team.member_invited"
    FOR_MANAGERS = True
    role: Annotated[PublicInvitedRole, Meta(description="The role that the invitation offers.")]
    expires_at: Annotated[datetime, Meta(tz=True, description="The time until which the invitation can be accepted.")]


class TeamInvitationAccepted(TeamEvent, of=Team.InvitationAccepted):
    """A person accepted an invitation and became a member."""

    NAME = "team.invitation_accepted"
    user_id: Member
    role: Annotated[PublicInvitedRole, Meta(description="What they are.")]


class TeamMemberJoined(TeamEvent, of=Team.MemberJoined):
    """A person became a member without an invitation: at their request."""

    NAME = "team.member_joined"
    user_id: Member
    role: Annotated[PublicInvitedRole, Meta(description="What they are.")]


class TeamSettingsChange(TeamEvent, of=Team.SettingsChanged):
    """The settings of a team changed."""

    NAME = "team.settings_changed"
    FOR_MANAGERS = True


class TeamInvitationDeclined(TeamEvent, of=Team.InvitationDeclined):
    """A person declined an invitation."""

    NAME = "team.invitation_declined"
    FOR_MANAGERS = True


class TeamInvitationRevoked(TeamEvent, of=Team.InvitationRevoked):
    """An invitation was revoked."""

    NAME = "team.invitation_revoked"
    FOR_MANAGERS = True


class TeamInvitationExpired(TeamEvent, of=Team.InvitationExpired):
    """An invitation was not answered in time."""

    NAME = "team.invitation_expired"
    FOR_MANAGERS = True


class TeamMemberRoleChanged(TeamEvent, of=Team.MemberRoleChanged):
    """The role of a member changed."""

    NAME = "team.member_role_changed"
    user_id: Member
    role: Annotated[PublicRole, Meta(description="What they are.")]


class TeamMemberRemoved(TeamEvent, of=Team.MemberRemoved):
    """A member was removed."""

    NAME = "team.member_removed"
    user_id: Member


class TeamMemberLeft(TeamEvent, of=Team.MemberLeft):
    """A member left the team."""

    NAME = "team.member_left"
    user_id: Member


class TeamOwnershipOffered(TeamEvent, of=Team.OwnershipOffered):
    """An owner offered a member to become an owner in their place."""

    NAME = "team.ownership_offered"
    owner_id: Annotated[UserId, Meta(description="Id of the owner.")]
    user_id: Member


class TeamOwnershipOfferDeclined(TeamEvent, of=Team.OwnershipOfferDeclined):
    """The member did not want to become an owner."""

    NAME = "team.ownership_offer_declined"


class TeamOwnershipOfferWithdrawn(TeamEvent, of=Team.OwnershipOfferWithdrawn):
    """The offer ended: it was taken back, or one of the two left or got another role."""

    NAME = "team.ownership_offer_withdrawn"


class TeamOwnershipTransferred(TeamEvent, of=Team.OwnershipTransferred):
    """An owner made another member an owner and became an admin."""

    NAME = "team.ownership_transferred"
    former_owner_id: Annotated[UserId, Meta(description="Id of the owner who became an admin.")]
    owner_id: Annotated[UserId, Meta(description="Id of the member who became an owner.")]


class TeamDissolutionRequested(TeamEvent, of=Team.DissolutionRequested):
    """An owner wants the team to be dissolved. Until then it is read-only, and that may be withdrawn."""

    NAME = "team.dissolution_requested"
    due: Annotated[datetime, Meta(tz=True, description="When the team is dissolved, unless that is withdrawn.")]


class TeamDissolutionWithdrawn(TeamEvent, of=Team.DissolutionWithdrawn):
    """The team stays after all."""

    NAME = "team.dissolution_withdrawn"


class TeamDissolved(TeamEvent, of=Team.Dissolved):
    """A team was dissolved permanently."""

    NAME = "team.dissolved"


class TeamErased(TeamEvent, of=Team.Erased):
    """A team was erased."""

    NAME = "team.erased"


def count_of(role: Role) -> Callable[[Team], int]:
    """A function that counts the members of a role."""
    return lambda team: list(team.members.values()).count(role)


def count_members(team: Team) -> int:
    """The number of all members."""
    return len(team.members)


def count_invitations(team: Team) -> int:
    """The number of invitations without an answer."""
    return len(team.invited)


class TeamState(PublicState, of=Team):
    """A team. A dissolved or erased team has no state."""

    NAME = "team.state"
    team_id: Annotated[TeamId, From("id")]
    seats: Seats
    owners: Annotated[Count, Meta(description="Number of owners."), From(count_of("owner"))]
    admins: Annotated[Count, Meta(description="Number of admins."), From(count_of("admin"))]
    members: Annotated[
        Count, Meta(description="Number of all members, including owners and admins."), From(count_members)
    ]
    invitations: Annotated[
        Count, Meta(description="Number of unanswered invitations, including expired ones."), From(count_invitations)
    ]

    @staticmethod
    def is_gone(team: Team) -> bool:
        """Whether the team is dissolved or erased."""
        return team.dissolved_at is not None
