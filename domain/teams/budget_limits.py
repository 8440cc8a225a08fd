"""Limits that owners set for the team's budget: for the whole team, and for each member.

A limit is lower than what the plan allows, or has no effect. `domain/billing/budget.py` keeps to them.
"""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from domain.access import Person
from domain.kernel import Invalid, Root

if TYPE_CHECKING:
    from domain.teams.team import Team

MAX_BUDGET_LIMIT = 1_000_000_000_000
"""The highest limit, of tokens or micro-dollars a month. A higher one limits nothing."""


class UnusableBudgetLimit(Invalid):
    """A limit of a budget is negative, or too high to limit anything."""


class TeamBudgetLimited(Root.Event):
    """The most that the team may use in a month, or a user with the team's budget.

    `user_id`: None is the whole team. `tokens`, `micros`: None is as much as the plan allows.
    """

    TOPIC = "team.budget_limited"
    user_id: UUID | None = None
    tokens: int | None = None
    micros: int | None = None

    def apply(self, aggregate: "Team") -> None:
        limited = self.user_id or self.originator_id
        if self.tokens is None and self.micros is None:
            aggregate.budget_limits.pop(limited, None)
        else:
            aggregate.budget_limits[limited] = [self.tokens, self.micros]


def budget_limit(team: "Team", user_id: UUID | None = None) -> tuple[int | None, int | None]:
    """Return the limits of tokens and micro-dollars of the team, or of a user; None: there is none."""
    tokens, micros = team.budget_limits.get(user_id or team.id, (None, None))
    return tokens, micros


def limit_budget(
    team: "Team",
    *,
    user_id: UUID | None = None,
    tokens: int | None,
    micros: int | None,
    by: Person,
    now: datetime,
) -> None:
    """Limit what the team (`user_id` is None) or a member may use in a month; None for both removes the limit.

    Without a change: no event. The limit of a former member can only be removed.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved, DissolutionIsRequested: the person may not do it.
        NoSuchMember: the user is not a member.
        UnusableBudgetLimit: a limit is negative or too high.
    """
    team.require("limit_budget", by, now)
    if user_id is not None and (tokens, micros) != (None, None):
        team.require_member(user_id)
    if any(limit is not None and not 0 <= limit <= MAX_BUDGET_LIMIT for limit in (tokens, micros)):
        raise UnusableBudgetLimit(f"A limit is a number from 0 to {MAX_BUDGET_LIMIT}; null is no limit.")
    if (tokens, micros) != budget_limit(team, user_id):
        team.trigger_event(team.BudgetLimited, now=now, user_id=user_id, tokens=tokens, micros=micros)
