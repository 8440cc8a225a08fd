"""What is published of subscriptions: plans and their use. What was paid, and how, is not in them."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from adapters.integration_events.identity.user import UserId
from adapters.integration_events.kernel import Count, PublicEvent, PublicState, age, moment, publishes, publishes_state
from domain.billing.subscription import Plan, Status, Subscription

SubscriptionId = Annotated[UUID, Meta(description="The subscription; every user has one.")]
DocumentId = Annotated[UUID, Meta(description="The document that counts.")]
Month = Annotated[str, Meta(pattern="^([0-9]{4}-[0-9]{2})?$", description="The month it counts in (UTC): 2026-11.")]


class SubscriptionEvent(PublicEvent, frozen=True, kw_only=True):
    """What happened to a subscription."""

    subscription_id: SubscriptionId


class SubscriptionStarted(SubscriptionEvent, frozen=True, kw_only=True):
    """A user's subscription began, along with their account."""

    NAME = "subscription.started"
    user_id: UserId
    plan: Annotated[Plan, Meta(description="The plan from now on.")]


class SubscriptionQuotaUsed(SubscriptionEvent, frozen=True, kw_only=True):
    """A document was counted. Plans without a limit count none."""

    NAME = "subscription.quota_used"
    document_id: DocumentId
    month: Month


class SubscriptionQuotaReleased(SubscriptionEvent, frozen=True, kw_only=True):
    """The count of a document was taken back, as its creation was."""

    NAME = "subscription.quota_released"
    document_id: DocumentId
    month: Month


class SubscriptionPlanChanged(SubscriptionEvent, frozen=True, kw_only=True):
    """A user went over to another plan, at once."""

    NAME = "subscription.plan_changed"
    plan: Annotated[Plan, Meta(description="The plan from now on.")]


class SubscriptionCancelled(SubscriptionEvent, frozen=True, kw_only=True):
    """A paid plan ended; the free one remains."""

    NAME = "subscription.cancelled"


class SubscriptionState(PublicState, frozen=True, kw_only=True):
    """A subscription."""

    NAME = "subscription.state"
    subscription_id: SubscriptionId
    user_id: UserId
    plan: Annotated[Plan, Meta(description="The plan.")]
    status: Annotated[Status, Meta(description="Whether a paid plan was cancelled.")]
    month: Annotated[Month, Meta(description="The last month in which a document was counted; empty: none yet.")]
    documents_used: Annotated[Count, Meta(description="Documents that count in that month.")]


def _about(event: Any) -> dict[str, Any]:
    return {"subscription_id": event.originator_id, **moment(event)}


@publishes
def started(event: Subscription.Started) -> SubscriptionStarted:
    return SubscriptionStarted(user_id=event.user_id, plan=event.plan, **_about(event))


@publishes
def quota_used(event: Subscription.QuotaUsed) -> SubscriptionQuotaUsed:
    return SubscriptionQuotaUsed(document_id=event.document_id, month=event.month, **_about(event))


@publishes
def quota_released(event: Subscription.QuotaReleased) -> SubscriptionQuotaReleased:
    return SubscriptionQuotaReleased(document_id=event.document_id, month=event.month, **_about(event))


@publishes
def plan_changed(event: Subscription.PlanChanged) -> SubscriptionPlanChanged:
    return SubscriptionPlanChanged(plan=event.plan, **_about(event))


@publishes
def cancelled(event: Subscription.Cancelled) -> SubscriptionCancelled:
    return SubscriptionCancelled(**_about(event))


@publishes_state
def state(subscription: Subscription) -> SubscriptionState | None:
    return SubscriptionState(
        subscription_id=subscription.id,
        user_id=subscription.user_id,
        plan=subscription.plan,
        status=subscription.status,
        month=subscription.month,
        documents_used=len(subscription.used),
        **age(subscription),
    )
