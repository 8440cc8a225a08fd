"""HTTP for the history of a team."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from adapters.http.api.lists import List
from adapters.http.api.openapi import FRESH_UNLESS_KNOWN, operation
from adapters.http.api.routers import Router
from adapters.http.api.schemas import HistoryQuery
from domain.access import TEAM
from projections.history import HistoryEntry
from projections.page import Page
from projections.teams.team_history import team_history

router = Router("/v1/teams", tag="teams")


@router.get(
    "/{team_id}/history",
    response_model=Page[HistoryEntry],
    **operation(
        "A page of what happened.",
        access=TEAM.action("read_history"),
        takes=FRESH_UNLESS_KNOWN,
        gives=["Link"],
    ),
)
async def list_team_history(team_id: UUID, listed: Annotated[HistoryQuery, Query()], read: List) -> Response:
    """List what happened to a team and who audited it, the latest first. Requires the admin role.

    Each item names who did it, and the request that caused it. A page with few items may have a next one.
    """
    return await read.listed(team_history, read.history, read.actor, team_id, **listed.options)
