"""HTTP for budgets: what models may cost the caller this month."""

from adapters.http.api.openapi import operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from application.billing.budget import UsageView, usage
from domain.access import SUBSCRIPTION

router = Router("/v1/analytics", tag="subscription")


@router.get(
    "/usage",
    response_model=UsageView,
    **operation("The usage.", access=SUBSCRIPTION.action("read")),
)
async def get_usage(read: Read) -> Answer:
    """Get what texts by language models have cost the caller this month. The response also says what is left.

    Costs are micro-dollars. `reserved` is what generations under way may cost at most. Never stale: read from the event
    log.
    """
    return read.unversioned(await usage(read.history, read.actor, read.now))
