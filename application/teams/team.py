"""Use cases of teams: found, manage members, leave."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import Command, handles
from application.ports import Actor, Clock, NewId, Store
from application.views import view_maker
from domain.access import TEAM
from domain.billing.subscription import Subscription
from domain.kernel import Party
from domain.teams.roles import Role
from domain.teams.seats import SEATS
from domain.teams.team import Team


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
    dissolution_due: datetime | None
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
    """A member of a team. `user_name`: if it was asked for."""

    user_id: UUID
    role: Role
    joined_at: datetime
    user_name: str | None = None


class FoundTeam(Command[TeamView]):
    """Found a team, which the actor owns."""

    name: str
    slug: str


class RenameTeam(Command[TeamView]):
    """Change the name of a team."""

    id: UUID
    name: str


class ChangeSlug(Command[TeamView]):
    """Change the slug of a team."""

    id: UUID
    slug: str


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


@handles
async def found_team(cmd: FoundTeam, store: Store, actor: Actor, clock: Clock, new_id: NewId) -> TeamView:
    now = clock()
    plan = (await store.get(Subscription, Subscription.id_of(Party("user", actor.user_id)))).plan
    team = Team.found(id=new_id(), name=cmd.name, slug=cmd.slug, owner_id=actor.user_id, seats=SEATS[plan], now=now)
    store.save(team, Subscription.start(payer=Party("team", team.id), plan=plan, now=now))
    return team_view(team, now)


@handles
async def rename_team(cmd: RenameTeam, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    team.rename(cmd.name, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def change_slug(cmd: ChangeSlug, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    team.change_slug(cmd.slug, by=actor, now=now)
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
