"""HTTP for teams: parse, send, answer."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import EXAMPLE_ID, EXAMPLE_TIME, FRESH, KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routing import ApiRoute
from adapters.http.api.schemas import Body, PageQuery, shown
from application.teams.team import DissolveTeam, FoundTeam, MemberView, RenameTeam, TeamView
from domain.teams.team import NAME_LENGTH, SLUG_LENGTH
from projections.page import Page
from projections.teams.team import team, teams
from projections.teams.team_roster import members

router = APIRouter(prefix="/v1/teams", route_class=ApiRoute, tags=["teams"])

READ, WRITE = "teams:read", "teams:write"

Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]
Slug = Annotated[str, Field(min_length=1, max_length=SLUG_LENGTH, pattern="^[a-z0-9](-?[a-z0-9])*$")]

TEAM: dict[str, Any] = {
    "id": EXAMPLE_ID,
    "name": "River watch",
    "slug": "river-watch",
    "seats": 5,
    "seats_taken": 1,
    "members": 1,
    "version": 1,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
    "dissolved_at": None,
}
MEMBER = {"user_id": "0198f1c2-0000-7c4d-9e5f-0a1b2c3d4e5f", "role": "owner", "joined_at": EXAMPLE_TIME}


class NewTeam(Body):
    """A team to be. `slug` names it in addresses, and is its alone."""

    model_config = shown({"name": "River watch", "slug": "river-watch"})
    name: Name
    slug: Slug


class TeamRename(Body):
    """A team's name from now on."""

    model_config = shown({"name": "River and lake watch"})
    name: Name


@router.post(
    "",
    response_model=TeamView,
    **operation("The new team.", scope=WRITE, takes=KEYED, example=TEAM, status=201),
)
async def found_team(body: NewTeam, send: Send) -> Answer:
    """Found a team, and own it."""
    return await send(FoundTeam(name=body.name, slug=body.slug), at="/v1/teams/{}")


@router.get(
    "",
    response_model=Page[TeamView],
    **operation("A page of teams.", scope=READ, takes=FRESH, example={"items": [TEAM], "next": None}),
)
async def list_teams(paged: Annotated[PageQuery, Query()], read: Read) -> Answer:
    """List the teams one is a member of, the oldest first."""
    found = await read.query(teams, read.actor, read.now, cursor=paged.cursor, limit=paged.limit)
    return read.unversioned(found)


@router.get(
    "/{team_id}",
    response_model=TeamView,
    **operation("The team.", scope=READ, takes=FRESH, example=TEAM),
)
async def get_team(team_id: UUID, read: Read) -> Answer:
    """Get a team. Takes a member, or somebody who is invited."""
    return read.unversioned(read.found(await read.query(team, read.actor, team_id, read.now)))


@router.put(
    "/{team_id}",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=KEYED, example=TEAM),
)
async def rename_team(team_id: UUID, body: TeamRename, send: Send) -> Answer:
    """Give a team another name. Takes an admin."""
    return await send(RenameTeam(id=team_id, name=body.name))


@router.delete(
    "/{team_id}",
    response_model=TeamView,
    **operation("The team, dissolved.", scope=WRITE, takes=KEYED, example=TEAM),
)
async def dissolve_team(team_id: UUID, send: Send) -> Answer:
    """Dissolve a team, for good. Takes an owner."""
    return await send(DissolveTeam(id=team_id))


@router.get(
    "/{team_id}/members",
    response_model=list[MemberView],
    **operation("Its members.", scope=READ, takes=FRESH, example=[MEMBER]),
)
async def list_members(team_id: UUID, read: Read) -> Answer:
    """List a team's members. Takes a member."""
    return read.unversioned(read.found(await read.query(members, read.actor, team_id)))
