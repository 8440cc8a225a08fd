"""Reading of budgets: what a payer's plan allows this month, and what is left of it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from application.ports import Actor, EventStore
from domain.billing.budget import ALLOWANCES, Budget, month_of
from domain.billing.subscription import Plan, Subscription
from domain.kernel import Party


@dataclass(frozen=True, slots=True)
class Amounts:
    """Of tokens or micro-dollars: what the plan allows, what is used, what open generations may use, and the rest."""

    quota: int
    soft_quota: int
    used: int
    reserved: int
    remaining: int


@dataclass(frozen=True, slots=True)
class UsageView:
    """A payer's use of language models in a month (UTC)."""

    plan: Plan
    month: str
    tokens: Amounts
    micros: Amounts
    resets_at: datetime


async def usage(events: EventStore, actor: Actor, now: datetime) -> UsageView:
    """Return what the actor has used this month, as the log has it now."""
    payer, month = Party("user", actor.user_id), month_of(now)
    subscription = await events.load(Subscription, Subscription.id_of(payer))
    budget = await events.load(Budget, Budget.id_of(payer, month))
    plan: Plan = "free" if subscription is None else subscription.plan
    allowed, percent = ALLOWANCES[plan], ALLOWANCES[plan].soft_percent
    tokens, micros = (0, 0), (0, 0)
    if budget is not None:
        tokens = budget.used_tokens, budget.reserved_tokens
        micros = budget.used_micros, budget.reserved_micros
    return UsageView(
        plan=plan,
        month=month,
        tokens=_amounts(allowed.tokens, percent, *tokens),
        micros=_amounts(allowed.micros, percent, *micros),
        resets_at=_next_month(now),
    )


def _amounts(quota: int, soft_percent: int, used: int, reserved: int) -> Amounts:
    return Amounts(quota, quota * soft_percent // 100, used, reserved, max(0, quota - used - reserved))


def _next_month(now: datetime) -> datetime:
    utc = now.astimezone(UTC)
    return datetime(utc.year + utc.month // 12, utc.month % 12 + 1, 1, tzinfo=UTC)
