"""Use cases of subscriptions: what a user's plan allows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import Command, handles
from application.ports import Actor, Clock, Store
from domain.billing.subscription import Plan, Status, Subscription


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """A plan and its use. Without a limit nothing is counted: `documents_used` is then what was before, this month."""

    id: UUID
    user_id: UUID
    plan: Plan
    status: Status
    documents_used: int
    documents_limit: int | None
    resets_at: datetime
    version: int
    created_at: datetime
    updated_at: datetime


class ChangePlan(Command[SubscriptionView]):
    """Put the actor on another plan at once."""

    plan: Plan


class CancelSubscription(Command[SubscriptionView]):
    """End the actor's paid plan at once."""


@handles
async def change_plan(cmd: ChangePlan, store: Store, actor: Actor, clock: Clock) -> SubscriptionView:
    subscription = await store.get(Subscription, Subscription.id_of(actor.user_id))
    now = clock()
    subscription.change_plan(cmd.plan, now=now)
    store.save(subscription)
    return subscription_view(subscription, now)


@handles
async def cancel_subscription(cmd: CancelSubscription, store: Store, actor: Actor, clock: Clock) -> SubscriptionView:
    subscription = await store.get(Subscription, Subscription.id_of(actor.user_id))
    now = clock()
    subscription.cancel(now=now)
    store.save(subscription)
    return subscription_view(subscription, now)


def subscription_view(subscription: Subscription, now: datetime) -> SubscriptionView:
    """The subscription as its user sees it."""
    return SubscriptionView(
        id=subscription.id,
        user_id=subscription.user_id,
        plan=subscription.plan,
        status=subscription.status,
        documents_used=subscription.documents_used(now),
        documents_limit=subscription.limit,
        resets_at=subscription.resets_at(now),
        version=subscription.version,
        created_at=subscription.created_on,
        updated_at=subscription.modified_on,
    )
