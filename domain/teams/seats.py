"""Seats of teams. Each member takes one, also a guest, and each open invitation holds one."""

from collections.abc import Mapping

from domain.billing.subscription import Plan

SEATS: Mapping[Plan, int] = {"free": 5, "pro": 25, "enterprise": 250}
"""Seats of a new team, by the plan of its founder."""
