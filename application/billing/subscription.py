"""Use cases of subscriptions: change and cancel the plan."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import Command, handles
from application.ports import Actor, Clock, Store
from application.views import view_maker
from domain.access import SUBSCRIPTION
from domain.billing.subscription import Plan, Status, Subscription
from domain.kernel import Party, PartyKind


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """A plan and its use. A plan without a limit counts nothing: `documents_used` is this month's count before it."""

    id: UUID
    payer_kind: PartyKind
    payer_id: UUID
    plan: Plan
    status: Status
    documents_used: int
    documents_limit: int | None
    resets_at: datetime
    version: int
    created_at: datetime
    updated_at: datetime


def _require_reader(subscription: Subscription, actor: Actor | None, now: datetime) -> None:
    is_own = actor is not None and ("user", actor.user_id) == (subscription.payer_kind, subscription.payer_id)
    SUBSCRIPTION.require("read", "oneself" if is_own else None)


subscription_view = view_maker(
    SubscriptionView,
    Subscription,
    require_reader=_require_reader,
    computed={
        "documents_used": Subscription.documents_used,
        "documents_limit": lambda subscription, _: subscription.limit,
        "resets_at": Subscription.resets_at,
    },
)


class ChangePlan(Command[SubscriptionView]):
    """Change the actor's plan at once."""

    plan: Plan


class CancelSubscription(Command[SubscriptionView]):
    """End the actor's paid plan at once."""


@handles
async def change_plan(cmd: ChangePlan, store: Store, actor: Actor, clock: Clock) -> SubscriptionView:
    subscription = await store.get(Subscription, Subscription.id_of(Party("user", actor.user_id)))
    now = clock()
    subscription.change_plan(cmd.plan, now=now)
    store.save(subscription)
    return subscription_view(subscription, now)


@handles
async def cancel_subscription(cmd: CancelSubscription, store: Store, actor: Actor, clock: Clock) -> SubscriptionView:
    subscription = await store.get(Subscription, Subscription.id_of(Party("user", actor.user_id)))
    now = clock()
    subscription.cancel(now=now)
    store.save(subscription)
    return subscription_view(subscription, now)
