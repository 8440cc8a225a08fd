"""Subscriptions, which begin along with users."""

from domain.billing.subscription import Plan, Subscription
from domain.kernel import Root
from tests.support.history.kernel import History, changes

PLANS: list[Plan] = ["free", "pro", "enterprise"]


@changes(Subscription, weight=1)
def change(history: History) -> list[Root]:
    subscription = history.any(Subscription)
    match history.random.randrange(3):
        case 0 if subscription.used:
            subscription.release(min(subscription.used), now=history.now)
        case 1:
            subscription.cancel(now=history.now)
        case _:
            subscription.change_plan(history.random.choice(PLANS), now=history.now)
    return [subscription]
