"""The policy of seats, which follow plans."""

from typing import Any

from application.policies.follow_plans import follow_plans
from application.teams.seats import FollowPlan
from domain.billing.subscription import Subscription
from tests.support.given import ID, NOW


def test_each_change_of_a_plan_is_followed() -> None:
    values: dict[str, Any] = {"originator_id": ID, "originator_version": 3, "timestamp": NOW}
    for event in (Subscription.PlanChanged(**values | {"plan": "pro"}), Subscription.Cancelled(**values)):
        assert [*follow_plans(event)] == [FollowPlan(subscription_id=ID)]
