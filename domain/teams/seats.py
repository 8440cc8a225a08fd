"""Seats of teams. Each member takes one, also a guest, and each open invitation holds one.

A team has the seats of its plan. With a lower plan it may have more members than seats: all of them stay, but no one is
invited or joins until they fit.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from domain.billing.subscription import Plan

if TYPE_CHECKING:
    from domain.teams.team import Team

SEATS: Mapping[Plan, int] = {"free": 5, "pro": 25, "enterprise": 250}
"""Seats of a team, by its plan. A new team has the plan of its founder."""


def follow_plan(team: "Team", plan: Plan, *, now: datetime) -> None:
    """Give the team the seats of its plan. No actor: a policy asks for it. Without a change there is no event."""
    if team.dissolved_at is None and team.seats != SEATS[plan]:
        team.trigger_event(team.SeatsChanged, now=now, seats=SEATS[plan])
