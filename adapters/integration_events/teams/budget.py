"""Integration events of the budgets of teams: none."""

from adapters.integration_events.kernel import keep_private
from domain.teams.team import Team

keep_private(Team.BudgetLimited, "what members may spend concerns the team alone")
