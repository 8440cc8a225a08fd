"""HTTP for subscriptions: what the plan allows."""

from fastapi import APIRouter

from adapters.http.api.openapi import FRESH, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routing import ApiRoute
from application.billing.subscription import SubscriptionView
from projections.billing.subscription import subscription

router = APIRouter(prefix="/v1/subscription", route_class=ApiRoute, tags=["subscription"])


@router.get(
    "",
    response_model=SubscriptionView,
    **operation("The plan.", scope="subscription:read", takes=FRESH),
)
async def get_subscription(read: Read) -> Answer:
    """Get one's own plan, and what is used of its quota this month."""
    return read.unversioned(read.found(await read.query(subscription, read.actor.user_id, read.now)))
