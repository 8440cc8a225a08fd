"""Use cases of the budgets of teams: owners limit what the team and its members use, and admins see what they do."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.billing.budget import Amounts, UsageView, amounts, current_budget, plan_of, usage_view
from application.commands import Command, handles
from application.ports import Actor, Clock, EventStore, Store
from domain.access import TEAM
from domain.billing.budget import ALLOWANCES, Allowance, Budget
from domain.kernel import Party
from domain.teams.budget_limits import budget_limit, limit_budget
from domain.teams.team import Team


@dataclass(frozen=True, slots=True)
class BudgetLimit:
    """What owners allow at most in a month, of tokens and of micro-dollars; None: as much as the plan."""

    tokens: int | None
    micros: int | None


@dataclass(frozen=True, slots=True)
class SpenderUsage:
    """What a user uses of a team's budget, and may use. Members who have neither used nor a limit are left out."""

    user_id: UUID
    limit: BudgetLimit
    tokens: Amounts
    micros: Amounts


@dataclass(frozen=True, slots=True)
class TeamUsageView:
    """A team's use of language models in this month (UTC). The quota is the plan's, or the limit if that is lower."""

    usage: UsageView
    limit: BudgetLimit
    users: list[SpenderUsage]


class LimitTeamBudget(Command[None]):
    """Limit what a team may use in a month, or a member (`user_id`) with its budget. None for both: no limit."""

    team_id: UUID
    user_id: UUID | None = None
    tokens: int | None = None
    micros: int | None = None


@handles
async def limit_team_budget(cmd: LimitTeamBudget, store: Store, actor: Actor, clock: Clock) -> None:
    team = await store.get(Team, cmd.team_id)
    limit_budget(team, user_id=cmd.user_id, tokens=cmd.tokens, micros=cmd.micros, by=actor, now=clock())
    store.save(team)


async def team_usage(events: EventStore, actor: Actor, team_id: UUID, now: datetime) -> TeamUsageView:
    """Return what a team has used this month, and each user of its budget, as the log has it now.

    Raises:
        NotFound, RoleTooLow: the actor may not see it.
    """
    team = await events.load(Team, team_id)
    TEAM.require("read_budget", None if team is None else team.role_of(actor, now))
    assert team is not None
    payer = Party("team", team_id)
    plan, budget = await plan_of(events, payer), await current_budget(events, payer, now)
    allowance = ALLOWANCES[plan].limited(*budget_limit(team))
    return TeamUsageView(
        usage_view(plan, allowance, budget, now), BudgetLimit(*budget_limit(team)), _users(team, budget, allowance)
    )


def _users(team: Team, budget: Budget | None, allowance: Allowance) -> list[SpenderUsage]:
    limited = {user_id for user_id in team.budget_limits if user_id in team.members}
    spending: set[UUID] = set() if budget is None else {*budget.used_by, *budget.spenders.values()}
    return [_user(team, budget, allowance, user_id) for user_id in sorted(limited | spending)]


def _user(team: Team, budget: Budget | None, allowance: Allowance, user_id: UUID) -> SpenderUsage:
    limit = budget_limit(team, user_id)
    used, reserved = (0, 0), (0, 0)
    if budget is not None:
        used, reserved = budget.used_of(user_id), budget.reserved_of(user_id)
    tokens, micros = amounts(allowance.limited(*limit), used, reserved)
    return SpenderUsage(user_id, BudgetLimit(*limit), tokens, micros)
