"""HTTP for the budgets of teams: what they use, and the limits that their owners set."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body
from application.billing.team_budget import LimitTeamBudget, TeamUsageView, team_usage
from domain.access import TEAM
from domain.teams.budget_limits import MAX_BUDGET_LIMIT

router = Router("/v1/teams/{team_id}/budget", tag="teams")

Limit = Annotated[int | None, Field(ge=0, le=MAX_BUDGET_LIMIT)]


class BudgetLimitBody(Body):
    """The most tokens and micro-dollars of a month; null: as much as the plan."""

    tokens: Annotated[Limit, Field(examples=[1_000_000])]
    micros: Annotated[Limit, Field(examples=[5_000_000])]


@router.get(
    "",
    response_model=TeamUsageView,
    **operation("The usage.", access=TEAM.action("read_budget")),
)
async def get_team_usage(team_id: UUID, read: Read) -> Answer:
    """Get what texts by language models have cost a team this month. Requires the admin role.

    Costs are micro-dollars. `users` has everybody who used something of the budget, or whom owners have limited. Never
    stale: read from the event log.
    """
    return read.unversioned(await team_usage(read.history, read.actor, team_id, read.now))


@router.put(
    "/limit",
    **operation("Limited.", access=TEAM.action("limit_budget"), takes=KEYED, status=204),
)
async def limit_team_budget(team_id: UUID, body: BudgetLimitBody, send: Send) -> Answer:
    """Limit what a team may use in a month. Requires the owner role.

    A limit above what the plan allows has no effect. Null for both removes the limit.
    """
    return await send(LimitTeamBudget(team_id=team_id, tokens=body.tokens, micros=body.micros))


@router.put(
    "/limits/{user_id}",
    **operation("Limited.", access=TEAM.action("limit_budget"), takes=KEYED, status=204),
)
async def limit_member_budget(team_id: UUID, user_id: UUID, body: BudgetLimitBody, send: Send) -> Answer:
    """Limit what a member may use of a team's budget in a month. Requires the owner role.

    A limit above that of the team has no effect. Null for both removes the limit, also that of a former member.
    """
    return await send(LimitTeamBudget(team_id=team_id, user_id=user_id, tokens=body.tokens, micros=body.micros))
