"""HTTP for subscriptions: what the plan allows."""

from typing import Any

from fastapi import APIRouter

from adapters.http.api.openapi import EXAMPLE_ID, EXAMPLE_TIME, FRESH, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routing import ApiRoute
from application.billing.subscription import SubscriptionView
from projections.billing.subscription import subscription

router = APIRouter(prefix="/v1/subscription", route_class=ApiRoute, tags=["subscription"])

SUBSCRIPTION: dict[str, Any] = {
    "id": EXAMPLE_ID,
    "user_id": "0198f1c2-0000-7c4d-9e5f-0a1b2c3d4e5f",
    "plan": "free",
    "status": "active",
    "documents_used": 2,
    "documents_limit": 5,
    "resets_at": "2026-12-01T00:00:00Z",
    "version": 3,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
}


@router.get(
    "",
    response_model=SubscriptionView,
    **operation("The plan.", scope="subscription:read", takes=FRESH, example=SUBSCRIPTION),
)
async def get_subscription(read: Read) -> Answer:
    """Get one's own plan, and what is used of its quota this month."""
    return read.unversioned(read.found(await read.query(subscription, read.actor.user_id, read.now)))
