"""Which versions the plan of a document's owner shows, as read models have it."""

from datetime import datetime

from application.ports import ReadStore
from domain.billing.subscription import history_of
from domain.content.retention import ShownHistory
from domain.kernel import Party
from projections.billing.subscription import plan_of
from projections.kernel import reads


@reads("subscription")
async def shown_history(rows: ReadStore, owner: Party, now: datetime) -> ShownHistory:
    """Return how much of the history of its documents a payer's plan shows now."""
    return ShownHistory(history_of(await plan_of(rows, owner)), now)
