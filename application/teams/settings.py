"""Use cases of a team's settings."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import Command, handles
from application.ports import Actor, Clock, Store
from application.views import view_maker
from domain.access import TEAM
from domain.teams.settings import JoinRule, change_settings
from domain.teams.team import Team


@dataclass(frozen=True, slots=True)
class TeamSettings:
    """The settings of a team. `version`: that of the team when they were last changed."""

    id: UUID
    join: JoinRule
    version: int


def _require_reader(team: Team, actor: Actor | None, now: datetime) -> None:
    TEAM.require("read_settings", None if actor is None else team.role_of(actor, now))


settings_view = view_maker(TeamSettings, Team, require_reader=_require_reader, renamed={"version": "settings_version"})


class ChangeTeamSettings(Command[TeamSettings]):
    """Change settings of a team; what is None stays."""

    id: UUID
    join: JoinRule | None = None


@handles
async def change_team_settings(cmd: ChangeTeamSettings, store: Store, actor: Actor, clock: Clock) -> TeamSettings:
    team = await store.get(Team, cmd.id)
    change_settings(team, join=cmd.join, by=actor, now=clock())
    store.save(team)
    return settings_view(team)
