"""HTTP for teams: parse, send, answer."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from adapters.http.api.commands import Send
from adapters.http.api.lists import List
from adapters.http.api.openapi import CONDITIONAL, CREATED, FRESH, FRESH_UNLESS_KNOWN, listing, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router, Tag
from adapters.http.api.schemas import Body, PageQuery, QueryParameters
from application.teams.dissolution import DissolveTeam, WithdrawDissolution
from application.teams.team import ChangeSlug, FoundTeam, MemberView, RenameTeam, TeamView
from domain.access import TEAM
from domain.teams.naming import NAME_LENGTH, SLUG_LENGTH
from projections.page import Page
from projections.teams.team import team, teams
from projections.teams.team_activity import TeamAction, team_activity
from projections.teams.team_roster import members

router = Router("/v1/teams", tag=Tag("teams", "Groups of users, with roles and invitations."))

TeamName = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH, examples=["River watch"])]
Slug = Annotated[str, Field(min_length=1, max_length=SLUG_LENGTH, pattern="^[a-z0-9](-?[a-z0-9])*$")]


Expand = Annotated[Literal["user"] | None, Field(description="`user`: with the name of each user.")]


class MembersQuery(QueryParameters):
    """What to show of members."""

    expand: Expand = None


class ActivityQuery(PageQuery):
    """Page of what happened in a team."""

    expand: Expand = None


class NewTeam(Body):
    """A new team. `slug` is its short name for URLs, and no other team has the same."""

    name: TeamName
    slug: Slug


class TeamSlug(Body):
    """A team's new slug."""

    slug: Slug


class TeamRename(Body):
    """A team's new name."""

    name: TeamName


@router.post(
    "",
    response_model=TeamView,
    **operation("The new team.", access=TEAM.action("found"), takes=CREATED, status=201),
)
async def found_team(body: NewTeam, send: Send) -> Answer:
    """Found a team. The caller becomes its owner."""
    return await send(FoundTeam(name=body.name, slug=body.slug), at="/v1/teams/{}")


@router.get(
    "",
    response_model=Page[TeamView],
    **listing("A page of teams.", access=TEAM.action("list")),
)
async def list_teams(paged: Annotated[PageQuery, Query()], read: List) -> Response:
    """List the teams that the caller is a member of, the oldest first."""
    return await read.listed(teams, read.actor, read.now, cursor=paged.cursor, limit=paged.limit)


@router.get(
    "/{team_id}",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("read"), takes=FRESH_UNLESS_KNOWN),
)
async def get_team(team_id: UUID, read: Read) -> Answer:
    """Get a team. Requires membership or an invitation that has not expired."""
    return read.one(await read.query(team, read.actor, team_id, read.now))


@router.put(
    "/{team_id}",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("rename"), takes=CONDITIONAL),
)
async def rename_team(team_id: UUID, body: TeamRename, send: Send) -> Answer:
    """Rename a team. Requires the admin role."""
    return await send(RenameTeam(id=team_id, name=body.name))


@router.put(
    "/{team_id}/slug",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("rename"), takes=CONDITIONAL),
)
async def change_slug(team_id: UUID, body: TeamSlug, send: Send) -> Answer:
    """Change the slug of a team. The former one is free for other teams at once. Requires the admin role."""
    return await send(ChangeSlug(id=team_id, slug=body.slug))


@router.get(
    "/{team_id}/activity",
    response_model=Page[TeamAction],
    **listing("A page of what happened.", access=TEAM.action("read_activity")),
)
async def list_activity(team_id: UUID, listed: Annotated[ActivityQuery, Query()], read: List) -> Response:
    """List what happened in a team, the latest first. Requires the admin role."""
    return await read.listed(
        team_activity,
        read.history,
        read.actor,
        team_id,
        cursor=listed.cursor,
        limit=listed.limit,
        names=read.names(listed.expand),
    )


@router.delete(
    "/{team_id}",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("dissolve"), takes=CONDITIONAL),
)
async def dissolve_team(team_id: UUID, send: Send) -> Answer:
    """Dissolve a team after 14 days of grace, in which it is read-only. Requires the owner role."""
    return await send(DissolveTeam(id=team_id))


@router.post(
    "/{team_id}/withdraw-dissolution",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("dissolve"), takes=CONDITIONAL),
)
async def withdraw_dissolution(team_id: UUID, send: Send) -> Answer:
    """Withdraw the dissolution of a team, within its 14 days. Requires the owner role."""
    return await send(WithdrawDissolution(id=team_id))


@router.get(
    "/{team_id}/members",
    response_model=list[MemberView],
    **operation("The members.", access=TEAM.action("list_members"), takes=FRESH),
)
async def list_members(team_id: UUID, listed: Annotated[MembersQuery, Query()], read: Read) -> Answer:
    """List a team's members. Requires the viewer role: a guest does not see who is in the team."""
    names = read.names(listed.expand)
    return read.unversioned(read.found(await read.query(members, read.actor, team_id, names=names)))
