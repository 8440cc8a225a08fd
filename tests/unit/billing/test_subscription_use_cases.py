"""Use cases of subscriptions."""

from datetime import UTC, datetime

from application.billing.subscription import CancelSubscription, ChangePlan, SubscriptionView
from application.content.document import CreateDocument
from domain.billing.subscription import Subscription
from domain.kernel import Party
from tests.support.given import NOW
from tests.support.use_cases import CommandRunner


async def test_a_plan_changes_and_shows_what_was_used() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    await runner.ask(CreateDocument(title="Title"), ada)
    assert await runner.ask(ChangePlan(plan="pro"), ada) == SubscriptionView(
        id=Subscription.id_of(Party("user", ada.user_id)),
        payer_kind="user",
        payer_id=ada.user_id,
        plan="pro",
        status="active",
        documents_used=1,
        documents_limit=None,
        resets_at=datetime(2026, 12, 1, tzinfo=UTC),
        version=3,
        created_at=NOW,
        updated_at=NOW,
    )


async def test_cancelling_leaves_the_free_allowance() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    await runner.ask(ChangePlan(plan="enterprise"), ada)
    view = await runner.ask(CancelSubscription(), ada)
    assert (view.plan, view.status, view.documents_limit) == ("free", "cancelled", 5)
    assert (await runner.send(CancelSubscription(), ada)).position is None
