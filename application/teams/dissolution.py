"""Use cases of the dissolution of a team: request and withdraw. `application/privacy/erasure.py` carries it out."""

from uuid import UUID

from application.commands import Command, handles
from application.ports import Actor, Clock, Store
from application.teams.team import TeamView, team_view
from domain.teams import dissolution
from domain.teams.team import Team


class DissolveTeam(Command[TeamView]):
    """Dissolve a team after a time of grace."""

    id: UUID


class WithdrawDissolution(Command[TeamView]):
    """Keep a team that is about to be dissolved."""

    id: UUID


@handles
async def dissolve_team(cmd: DissolveTeam, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    dissolution.request(team, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def withdraw_dissolution(cmd: WithdrawDissolution, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    dissolution.withdraw(team, by=actor, now=now)
    store.save(team)
    return team_view(team, now)
