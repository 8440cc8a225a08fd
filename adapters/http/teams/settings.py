"""HTTP for the settings of teams."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import CONDITIONAL, FRESH_UNLESS_KNOWN, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body
from application.teams.settings import ChangeTeamSettings, TeamSettings
from domain.access import TEAM
from domain.teams.settings import DomainRole, JoinRule
from projections.teams.team_settings import team_settings

router = Router("/v1/teams/{team_id}/settings", tag="teams")

LEFT_OUT: Any = Field(default_factory=lambda: None)
"""A field that may be left out, but not be null."""


class TeamSettingsPatch(Body):
    """What to change of the settings (RFC 7396). What is left out stays."""

    MEDIA_TYPE: ClassVar[str] = "application/merge-patch+json"
    join: Annotated[JoinRule, Field(description="Who may ask to join.", examples=["by_request"])] = LEFT_OUT
    domain_role: Annotated[
        DomainRole | None,
        Field(description="The role with which holders of addresses of proved domains join at once; null: they ask."),
    ] = None

    def command(self, id: UUID) -> ChangeTeamSettings:
        """Return the command that makes this change."""
        return ChangeTeamSettings(id=id, **self.model_dump(exclude_unset=True))


@router.get(
    "",
    response_model=TeamSettings,
    **operation("The settings.", access=TEAM.action("read_settings"), takes=FRESH_UNLESS_KNOWN),
)
async def get_team_settings(team_id: UUID, read: Read) -> Answer:
    """Get the settings of a team. Requires the admin role."""
    return read.one(await read.query(team_settings, read.actor, team_id))


@router.patch(
    "",
    response_model=TeamSettings,
    **operation("The settings.", access=TEAM.action("change_settings"), takes=CONDITIONAL),
)
async def change_team_settings(team_id: UUID, body: TeamSettingsPatch, send: Send) -> Answer:
    """Change settings of a team by a merge patch (RFC 7396). Requires the admin role.

    `join`: `invited_only`; `by_request`: users may ask to join; or `by_request_from_domains`: only users with an
    address of a proved domain may. With a `domain_role` these join at once, as long as seats are free.
    """
    return await send(body.command(team_id))
