"""HTTP for statements: what was charged to a budget in a month."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from starlette.responses import Response

from adapters.http.api.lists import List
from adapters.http.api.openapi import listing
from adapters.http.api.routers import Router
from adapters.http.api.schemas import PageQuery
from domain.access import SUBSCRIPTION, TEAM
from projections.billing.budget_charge import Statement, statement, team_statement

router = Router("/v1", tag="subscription")

StatementMonth = Annotated[
    str, Path(pattern="^2[0-9]{3}-(0[1-9]|1[0-2])$", description="A month (UTC).", examples=["2026-11"])
]


@router.get(
    "/analytics/usage/statements/{month}",
    response_model=Statement,
    **listing("The statement.", access=SUBSCRIPTION.action("read")),
)
async def get_statement(month: StatementMonth, page: Annotated[PageQuery, Query()], read: List) -> Response:
    """Get what the caller was charged in a month. `tokens` and `micros` are the sums of all lines, on all pages.

    Texts for documents of a team are in the statement of the team. Costs are micro-dollars.
    """
    return await read.listed(statement, read.actor, month, cursor=page.cursor, limit=page.limit)


@router.get(
    "/teams/{team_id}/budget/statements/{month}",
    response_model=Statement,
    **listing("The statement.", access=TEAM.action("read_budget")),
)
async def get_team_statement(
    team_id: UUID, month: StatementMonth, page: Annotated[PageQuery, Query()], read: List
) -> Response:
    """Get what a team was charged in a month, line by line with who asked. Requires the admin role.

    `tokens` and `micros` are the sums of all lines, on all pages. Costs are micro-dollars.
    """
    return await read.listed(team_statement, read.actor, team_id, month, cursor=page.cursor, limit=page.limit)
