"""Integration events and state of subscriptions: plans and their use. Nothing about payments is published."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from adapters.integration_events.kernel import Count, PublicEvent, PublicState
from adapters.integration_events.mapping import From
from domain.billing.subscription import Plan, Status, Subscription
from domain.kernel import PartyKind

SubscriptionId = Annotated[UUID, Meta(description="Id of the subscription. Every payer has one.")]
PayerKind = Annotated[PartyKind, Meta(description="Whether a user or a team pays.")]
PayerId = Annotated[UUID, Meta(description="Id of the user or team that pays.")]
CountedDocumentId = Annotated[UUID, Meta(description="Id of the document that is counted.")]
Month = Annotated[
    str, Meta(pattern="^([0-9]{4}-[0-9]{2})?$", description="The month in which it is counted (UTC): 2026-11.")
]


class SubscriptionEvent(PublicEvent):
    """Base of the events of a subscription."""

    subscription_id: Annotated[SubscriptionId, From("originator_id")]


class SubscriptionStarted(SubscriptionEvent, of=Subscription.Started):
    """The subscription of a new payer began."""

    NAME = "subscription.started"
    payer_kind: PayerKind
    payer_id: PayerId
    plan: Annotated[Plan, Meta(description="The new plan.")]


class SubscriptionQuotaUsed(SubscriptionEvent, of=Subscription.QuotaUsed):
    """A document was counted for the month. Plans without a limit count no documents."""

    NAME = "subscription.quota_used"
    document_id: CountedDocumentId
    month: Month


class SubscriptionQuotaReleased(SubscriptionEvent, of=Subscription.QuotaReleased):
    """A document is no longer counted, because its creation was undone."""

    NAME = "subscription.quota_released"
    document_id: CountedDocumentId
    month: Month


class SubscriptionPlanChanged(SubscriptionEvent, of=Subscription.PlanChanged):
    """A payer changed to another plan, with immediate effect."""

    NAME = "subscription.plan_changed"
    plan: Annotated[Plan, Meta(description="The new plan.")]


class SubscriptionCancelled(SubscriptionEvent, of=Subscription.Cancelled):
    """A paid plan was cancelled. The payer has the free plan from now on."""

    NAME = "subscription.cancelled"


def count_used(subscription: Subscription) -> int:
    """The number of documents counted in the last month."""
    return len(subscription.used)


class SubscriptionState(PublicState, of=Subscription):
    """A subscription."""

    NAME = "subscription.state"
    subscription_id: Annotated[SubscriptionId, From("id")]
    payer_kind: PayerKind
    payer_id: PayerId
    plan: Annotated[Plan, Meta(description="The current plan.")]
    status: Annotated[Status, Meta(description="Whether the subscription is active, or its paid plan was cancelled.")]
    month: Annotated[
        Month, Meta(description="The last month in which a document was counted (UTC); empty if there is none.")
    ]
    documents_used: Annotated[Count, Meta(description="Number of documents counted in that month."), From(count_used)]
