"""HTTP for subscriptions: the plan and its quota."""

from adapters.http.api.openapi import FRESH, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router, Tag
from application.billing.subscription import SubscriptionView
from domain.access import SUBSCRIPTION
from domain.kernel import Party
from projections.billing.subscription import subscription

router = Router("/v1/subscription", tag=Tag("subscription", "The caller's plan and the usage of its quota."))


@router.get(
    "",
    response_model=SubscriptionView,
    **operation("The plan.", access=SUBSCRIPTION.action("read"), takes=FRESH),
)
async def get_subscription(read: Read) -> Answer:
    """Get the caller's plan, and how much of its quota is used this month."""
    return read.unversioned(read.found(await read.query(subscription, Party("user", read.actor.user_id), read.now)))
