"""What is published of teams: how they grow. Whom an invitation went to is not in it, nor what a team is called."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from adapters.integration_events.identity.user import UserId
from adapters.integration_events.kernel import Count, PublicEvent, PublicState, age, moment, publishes, publishes_state
from domain.kernel import ERASED
from domain.teams.team import InvitedRole, Role, Team

TeamId = Annotated[UUID, Meta(description="The team.")]
Seats = Annotated[Count, Meta(description="How many members it may have.")]
Member = Annotated[UserId, Meta(description="The member.")]


class TeamEvent(PublicEvent, frozen=True, kw_only=True):
    """What happened to a team."""

    team_id: TeamId


class TeamFounded(TeamEvent, frozen=True, kw_only=True):
    """A user founded a team, and is its first member."""

    NAME = "team.founded"
    owner_id: Annotated[UserId, Meta(description="The user who owns it.")]
    seats: Seats


class TeamRenamed(TeamEvent, frozen=True, kw_only=True):
    """A team got another name."""

    NAME = "team.renamed"


class TeamMemberInvited(TeamEvent, frozen=True, kw_only=True):
    """Somebody was invited; a seat is held for them."""

    NAME = "team.member_invited"
    FOR_MANAGERS = True
    role: Annotated[InvitedRole, Meta(description="What they would be.")]
    expires_at: Annotated[datetime, Meta(tz=True, description="Until when they may accept.")]


class TeamInvitationAccepted(TeamEvent, frozen=True, kw_only=True):
    """Somebody accepted an invitation, and is a member."""

    NAME = "team.invitation_accepted"
    user_id: Member
    role: Annotated[InvitedRole, Meta(description="What they are.")]


class TeamInvitationDeclined(TeamEvent, frozen=True, kw_only=True):
    """Somebody declined an invitation."""

    NAME = "team.invitation_declined"
    FOR_MANAGERS = True


class TeamInvitationRevoked(TeamEvent, frozen=True, kw_only=True):
    """An invitation was taken back."""

    NAME = "team.invitation_revoked"
    FOR_MANAGERS = True


class TeamMemberRoleChanged(TeamEvent, frozen=True, kw_only=True):
    """A member got another role."""

    NAME = "team.member_role_changed"
    user_id: Member
    role: Annotated[Role, Meta(description="What they are.")]


class TeamMemberRemoved(TeamEvent, frozen=True, kw_only=True):
    """A member was removed by another."""

    NAME = "team.member_removed"
    user_id: Member


class TeamMemberLeft(TeamEvent, frozen=True, kw_only=True):
    """A member left."""

    NAME = "team.member_left"
    user_id: Member


class TeamOwnershipTransferred(TeamEvent, frozen=True, kw_only=True):
    """An owner made another member an owner, and became an admin."""

    NAME = "team.ownership_transferred"
    former_owner_id: Annotated[UserId, Meta(description="The owner who became an admin.")]
    owner_id: Annotated[UserId, Meta(description="The member who became an owner.")]


class TeamDissolved(TeamEvent, frozen=True, kw_only=True):
    """A team was dissolved, for good."""

    NAME = "team.dissolved"


class TeamState(PublicState, frozen=True, kw_only=True):
    """A team. There is none once it is dissolved or erased."""

    NAME = "team.state"
    team_id: TeamId
    seats: Seats
    owners: Annotated[Count, Meta(description="Members who are owners.")]
    admins: Annotated[Count, Meta(description="Members who are admins.")]
    members: Annotated[Count, Meta(description="Members, owners and admins among them.")]
    invitations: Annotated[Count, Meta(description="Invitations that are not answered; some may have expired.")]


def _about(event: Any) -> dict[str, Any]:
    return {"team_id": event.originator_id, **moment(event)}


@publishes
def founded(event: Team.Founded) -> TeamFounded:
    return TeamFounded(owner_id=event.owner_id, seats=event.seats, **_about(event))


@publishes
def renamed(event: Team.Renamed) -> TeamRenamed:
    return TeamRenamed(**_about(event))


@publishes
def member_invited(event: Team.MemberInvited) -> TeamMemberInvited:
    return TeamMemberInvited(role=event.role, expires_at=event.expires_at, **_about(event))


@publishes
def invitation_accepted(event: Team.InvitationAccepted) -> TeamInvitationAccepted:
    return TeamInvitationAccepted(user_id=event.user_id, role=event.role, **_about(event))


@publishes
def invitation_declined(event: Team.InvitationDeclined) -> TeamInvitationDeclined:
    return TeamInvitationDeclined(**_about(event))


@publishes
def invitation_revoked(event: Team.InvitationRevoked) -> TeamInvitationRevoked:
    return TeamInvitationRevoked(**_about(event))


@publishes
def member_role_changed(event: Team.MemberRoleChanged) -> TeamMemberRoleChanged:
    return TeamMemberRoleChanged(user_id=event.user_id, role=event.role, **_about(event))


@publishes
def member_removed(event: Team.MemberRemoved) -> TeamMemberRemoved:
    return TeamMemberRemoved(user_id=event.user_id, **_about(event))


@publishes
def member_left(event: Team.MemberLeft) -> TeamMemberLeft:
    return TeamMemberLeft(user_id=event.user_id, **_about(event))


@publishes
def ownership_transferred(event: Team.OwnershipTransferred) -> TeamOwnershipTransferred:
    return TeamOwnershipTransferred(former_owner_id=event.former_owner_id, owner_id=event.owner_id, **_about(event))


@publishes
def dissolved(event: Team.Dissolved) -> TeamDissolved:
    return TeamDissolved(**_about(event))


@publishes_state
def state(team: Team) -> TeamState | None:
    if team.dissolved_at is not None or team.name == ERASED:
        return None
    roles = Counter(team.members.values())
    return TeamState(
        team_id=team.id,
        seats=team.seats,
        owners=roles["owner"],
        admins=roles["admin"],
        members=len(team.members),
        invitations=len(team.invited),
        **age(team),
    )
