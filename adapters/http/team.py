"""HTTP for teams: parse, send, answer."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from adapters.http.body import Body, shown
from adapters.http.exchange import Answer, Send
from adapters.http.route import Route
from adapters.http.spec import EXAMPLE_ID, EXAMPLE_TIME, KEYED, operation
from application.team import FoundTeam, TeamView
from domain.team import NAME_LENGTH, SLUG_LENGTH

router = APIRouter(prefix="/v1/teams", route_class=Route, tags=["teams"])

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


class NewTeam(Body):
    """A team to be. `slug` names it in addresses, and is its alone."""

    model_config = shown({"name": "River watch", "slug": "river-watch"})
    name: Name
    slug: Slug


@router.post(
    "",
    response_model=TeamView,
    **operation("The new team.", scope=WRITE, takes=KEYED, example=TEAM, status=201),
)
async def found_team(body: NewTeam, send: Send) -> Answer:
    """Found a team, and own it."""
    return await send(FoundTeam(name=body.name, slug=body.slug), at="/v1/teams/{}")
