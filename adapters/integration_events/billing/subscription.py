"""Integration events and state of subscriptions: plans and their use. Nothing about payments is published."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from adapters.integration_events.identity.user import UserId
from adapters.integration_events.kernel import Count, PublicEvent, PublicState
from adapters.integration_events.mapping import From
from domain.billing.subscription import Plan, Status, Subscription

SubscriptionId = Annotated[UUID, Meta(description="The subscription; every user has one.")]
DocumentId = Annotated[UUID, Meta(description="The document that counts.")]
Month = Annotated[str, Meta(pattern="^([0-9]{4}-[0-9]{2})?$", description="The month it counts in (UTC): 2026-11.")]


class SubscriptionEvent(PublicEvent):
    """What happened to a subscription."""

    subscription_id: Annotated[SubscriptionId, From("originator_id")]


class SubscriptionStarted(SubscriptionEvent, of=Subscription.Started):
    """A user's subscription began, along with their account."""

    NAME = "subscription.started"
    user_id: UserId
    plan: Annotated[Plan, Meta(description="The plan from now on.")]


class SubscriptionQuotaUsed(SubscriptionEvent, of=Subscription.QuotaUsed):
    """A document was counted. Plans without a limit count none."""

    NAME = "subscription.quota_used"
    document_id: DocumentId
    month: Month


class SubscriptionQuotaReleased(SubscriptionEvent, of=Subscription.QuotaReleased):
    """The count of a document was taken back, as its creation was."""

    NAME = "subscription.quota_released"
    document_id: DocumentId
    month: Month


class SubscriptionPlanChanged(SubscriptionEvent, of=Subscription.PlanChanged):
    """A user went over to another plan, at once."""

    NAME = "subscription.plan_changed"
    plan: Annotated[Plan, Meta(description="The plan from now on.")]


class SubscriptionCancelled(SubscriptionEvent, of=Subscription.Cancelled):
    """A paid plan ended; the free one remains."""

    NAME = "subscription.cancelled"


def count_used(subscription: Subscription) -> int:
    """The number of documents counted in the last month."""
    return len(subscription.used)


class SubscriptionState(PublicState, of=Subscription):
    """A subscription."""

    NAME = "subscription.state"
    subscription_id: Annotated[SubscriptionId, From("id")]
    user_id: UserId
    plan: Annotated[Plan, Meta(description="The plan.")]
    status: Annotated[Status, Meta(description="Whether a paid plan was cancelled.")]
    month: Annotated[Month, Meta(description="The last month in which a document was counted; empty: none yet.")]
    documents_used: Annotated[Count, Meta(description="Documents that count in that month."), From(count_used)]
