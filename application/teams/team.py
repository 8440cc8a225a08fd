"""Use cases of teams: found, invite, manage, leave."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import Command, handles
from application.ports import Actor, Clock, EmailIndex, NewId, Store
from application.views import view_maker
from domain.access import TEAM
from domain.identity.user import email_claim
from domain.teams.team import InvitedRole, Role, Team
from domain.text import email_address


@dataclass(frozen=True, slots=True)
class TeamView:
    """A team. `members`: their number; `seats_taken`: members and open invitations."""

    id: UUID
    name: str
    slug: str
    seats: int
    seats_taken: int
    members: int
    version: int
    created_at: datetime
    updated_at: datetime
    dissolved_at: datetime | None

    @property
    def etag(self) -> str:
        """The entity tag (RFC 9110, 8.8.3). Seats become free without an event, when an invitation expires."""
        return f"{self.version}-{self.members}-{self.seats_taken}"


def _require_reader(team: Team, actor: Actor | None, now: datetime) -> None:
    TEAM.require("read", None if actor is None else team.role_of(actor, now))


team_view = view_maker(
    TeamView,
    Team,
    require_reader=_require_reader,
    computed={"seats_taken": Team.seats_taken, "members": lambda team, _: len(team.members)},
)


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member of a team."""

    user_id: UUID
    role: Role
    joined_at: datetime


class FoundTeam(Command[TeamView]):
    """Found a team, which the actor owns."""

    name: str
    slug: str


class RenameTeam(Command[TeamView]):
    """Change the name of a team."""

    id: UUID
    name: str


class InviteMember(Command[TeamView]):
    """Hold a seat for the holder of an email address."""

    id: UUID
    email: str
    role: InvitedRole = "member"


class AcceptInvitation(Command[TeamView]):
    """Make the actor a member, as invited."""

    id: UUID


class DeclineInvitation(Command[None]):
    """Decline an invitation."""

    id: UUID


class RevokeInvitation(Command[TeamView]):
    """Revoke an invitation."""

    id: UUID
    email: str


class ChangeMemberRole(Command[TeamView]):
    """Change the role of a member."""

    id: UUID
    user_id: UUID
    role: Role


class RemoveMember(Command[TeamView]):
    """Remove a member."""

    id: UUID
    user_id: UUID


class LeaveTeam(Command[None]):
    """End the actor's membership."""

    id: UUID


class TransferOwnership(Command[TeamView]):
    """Make another member an owner, and the actor an admin."""

    id: UUID
    user_id: UUID


class DissolveTeam(Command[TeamView]):
    """Dissolve a team."""

    id: UUID


@handles
async def found_team(cmd: FoundTeam, store: Store, actor: Actor, clock: Clock, new_id: NewId) -> TeamView:
    now = clock()
    team = Team.found(id=new_id(), name=cmd.name, slug=cmd.slug, owner_id=actor.user_id, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def rename_team(cmd: RenameTeam, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    team.rename(cmd.name, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def invite_member(cmd: InviteMember, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock) -> TeamView:
    now = clock()
    email = email_address(cmd.email)
    address_id, user_id = addresses.address_id(email), await store.claimed_by(email_claim(email))
    team = await store.get(Team, cmd.id)
    team.invite(address_id=address_id, user_id=user_id, email=email, role=cmd.role, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def accept_invitation(cmd: AcceptInvitation, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    team.accept(by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def decline_invitation(cmd: DeclineInvitation, store: Store, actor: Actor, clock: Clock) -> None:
    team = await store.get(Team, cmd.id)
    team.decline(by=actor, now=clock())
    store.save(team)


@handles
async def revoke_invitation(
    cmd: RevokeInvitation, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> TeamView:
    now = clock()
    address_id = addresses.address_id(email_address(cmd.email))
    team = await store.get(Team, cmd.id)
    team.revoke_invitation(address_id=address_id, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def change_member_role(cmd: ChangeMemberRole, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    team.change_role(user_id=cmd.user_id, role=cmd.role, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def remove_member(cmd: RemoveMember, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    team.remove(user_id=cmd.user_id, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def leave_team(cmd: LeaveTeam, store: Store, actor: Actor, clock: Clock) -> None:
    team = await store.get(Team, cmd.id)
    team.leave(by=actor, now=clock())
    store.save(team)


@handles
async def transfer_ownership(cmd: TransferOwnership, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    team.transfer_ownership(user_id=cmd.user_id, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def dissolve_team(cmd: DissolveTeam, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    team.dissolve(by=actor, now=now)
    store.save(team)
    return team_view(team, now)
