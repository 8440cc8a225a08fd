"""Integration events and state of teams: how they grow. Neither names of teams nor invited addresses are published."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from adapters.integration_events.identity.user import UserId
from adapters.integration_events.kernel import Count, PublicEvent, PublicState
from adapters.integration_events.mapping import From
from domain.kernel import ERASED
from domain.teams.team import InvitedRole, Role, Team

TeamId = Annotated[UUID, Meta(description="The team.")]
Seats = Annotated[Count, Meta(description="How many members it may have.")]
Member = Annotated[UserId, Meta(description="The member.")]


class TeamEvent(PublicEvent):
    """What happened to a team."""

    team_id: Annotated[TeamId, From("originator_id")]


class TeamFounded(TeamEvent, of=Team.Founded):
    """A user founded a team, and is its first member."""

    NAME = "team.founded"
    owner_id: Annotated[UserId, Meta(description="The user who owns it.")]
    seats: Seats


class TeamRenamed(TeamEvent, of=Team.Renamed):
    """A team got another name."""

    NAME = "team.renamed"


class TeamMemberInvited(TeamEvent, of=Team.MemberInvited):
    """Somebody was invited; a seat is held for them."""

    NAME = "team.member_invited"
    FOR_MANAGERS = True
    role: Annotated[InvitedRole, Meta(description="What they would be.")]
    expires_at: Annotated[datetime, Meta(tz=True, description="Until when they may accept.")]


class TeamInvitationAccepted(TeamEvent, of=Team.InvitationAccepted):
    """Somebody accepted an invitation, and is a member."""

    NAME = "team.invitation_accepted"
    user_id: Member
    role: Annotated[InvitedRole, Meta(description="What they are.")]


class TeamInvitationDeclined(TeamEvent, of=Team.InvitationDeclined):
    """Somebody declined an invitation."""

    NAME = "team.invitation_declined"
    FOR_MANAGERS = True


class TeamInvitationRevoked(TeamEvent, of=Team.InvitationRevoked):
    """An invitation was taken back."""

    NAME = "team.invitation_revoked"
    FOR_MANAGERS = True


class TeamMemberRoleChanged(TeamEvent, of=Team.MemberRoleChanged):
    """A member got another role."""

    NAME = "team.member_role_changed"
    user_id: Member
    role: Annotated[Role, Meta(description="What they are.")]


class TeamMemberRemoved(TeamEvent, of=Team.MemberRemoved):
    """A member was removed by another."""

    NAME = "team.member_removed"
    user_id: Member


class TeamMemberLeft(TeamEvent, of=Team.MemberLeft):
    """A member left."""

    NAME = "team.member_left"
    user_id: Member


class TeamOwnershipTransferred(TeamEvent, of=Team.OwnershipTransferred):
    """An owner made another member an owner, and became an admin."""

    NAME = "team.ownership_transferred"
    former_owner_id: Annotated[UserId, Meta(description="The owner who became an admin.")]
    owner_id: Annotated[UserId, Meta(description="The member who became an owner.")]


class TeamDissolved(TeamEvent, of=Team.Dissolved):
    """A team was dissolved, for good."""

    NAME = "team.dissolved"


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
    """A team. There is none once it is dissolved or erased."""

    NAME = "team.state"
    team_id: Annotated[TeamId, From("id")]
    seats: Seats
    owners: Annotated[Count, Meta(description="Members who are owners."), From(count_of("owner"))]
    admins: Annotated[Count, Meta(description="Members who are admins."), From(count_of("admin"))]
    members: Annotated[Count, Meta(description="Members, owners and admins among them."), From(count_members)]
    invitations: Annotated[
        Count, Meta(description="Invitations that are not answered; some may have expired."), From(count_invitations)
    ]

    @staticmethod
    def is_gone(team: Team) -> bool:
        """Whether the team is dissolved or erased."""
        return team.dissolved_at is not None or team.name == ERASED
