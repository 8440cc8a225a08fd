"""Policy: a team gets the seats of its plan whenever that changes."""

from collections.abc import Iterable

from application.policy import Reaction, policy
from application.teams.seats import FollowPlan
from domain.billing.subscription import Subscription


@policy()
def follow_plans(event: Subscription.PlanChanged | Subscription.Cancelled) -> Iterable[Reaction]:
    yield FollowPlan(subscription_id=event.originator_id)
