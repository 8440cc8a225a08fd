"""Use cases of a team's settings."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from application.commands import Command, handles
from application.ports import Actor, Clock, Store
from application.views import view_maker
from domain.access import TEAM
from domain.teams.settings import UNCHANGED, DomainRole, JoinRule, change_settings
from domain.teams.team import Team


@dataclass(frozen=True, slots=True)
class TeamSettings:
    """The settings of a team. `version`: that of the team when they were last changed."""

    id: UUID
    join: JoinRule
    domain_role: DomainRole | None
    version: int


def _require_reader(team: Team, actor: Actor | None, now: datetime) -> None:
    TEAM.require("read_settings", None if actor is None else team.role_of(actor, now))


settings_view = view_maker(TeamSettings, Team, require_reader=_require_reader, renamed={"version": "settings_version"})


class ChangeTeamSettings(Command[TeamSettings]):
    """Change settings of a team; a `join` that is None, and a role that is `UNCHANGED`, stay."""

    id: UUID
    join: JoinRule | None = None
    domain_role: DomainRole | Literal["unchanged"] | None = UNCHANGED


@handles
async def change_team_settings(cmd: ChangeTeamSettings, store: Store, actor: Actor, clock: Clock) -> TeamSettings:
    team = await store.get(Team, cmd.id)
    change_settings(team, join=cmd.join, domain_role=cmd.domain_role, by=actor, now=clock())
    store.save(team)
    return settings_view(team)
