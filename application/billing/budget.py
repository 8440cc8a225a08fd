"""Reading of budgets: what a payer may use this month, what is used, and what is left of it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from application.ports import Actor, EventStore
from domain.billing.budget import ALLOWANCES, Allowance, Budget, month_of
from domain.billing.subscription import Plan, Subscription
from domain.kernel import Party


@dataclass(frozen=True, slots=True)
class Amounts:
    """Of tokens or micro-dollars: what is allowed, what is used, what open generations may use, and the rest.

    Beyond `soft_quota`, used and reserved together, cheaper models write.
    """

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
    payer = Party("user", actor.user_id)
    plan = await plan_of(events, payer)
    return usage_view(plan, ALLOWANCES[plan], await current_budget(events, payer, now), now)


async def plan_of(events: EventStore, payer: Party) -> Plan:
    """Return the payer's plan; without a subscription the free one."""
    subscription = await events.load(Subscription, Subscription.id_of(payer))
    return "free" if subscription is None else subscription.plan


async def current_budget(events: EventStore, payer: Party, now: datetime) -> Budget | None:
    """Return the payer's budget of this month; None: nothing was asked for yet."""
    return await events.load(Budget, Budget.id_of(payer, month_of(now)))


def usage_view(plan: Plan, allowance: Allowance, budget: Budget | None, now: datetime) -> UsageView:
    """Return the use of an allowance."""
    used = (0, 0) if budget is None else (budget.used_tokens, budget.used_micros)
    reserved = (0, 0) if budget is None else (budget.reserved_tokens, budget.reserved_micros)
    tokens, micros = amounts(allowance, used, reserved)
    return UsageView(plan=plan, month=month_of(now), tokens=tokens, micros=micros, resets_at=_next_month(now))


def amounts(allowance: Allowance, used: tuple[int, int], reserved: tuple[int, int]) -> tuple[Amounts, Amounts]:
    """Return the amounts of tokens and of micro-dollars. `used`, `reserved`: tokens and micro-dollars."""
    soft = allowance.soft
    return (
        _amounts(allowance.tokens, soft.tokens, used[0], reserved[0]),
        _amounts(allowance.micros, soft.micros, used[1], reserved[1]),
    )


def _amounts(quota: int, soft_quota: int, used: int, reserved: int) -> Amounts:
    return Amounts(quota, soft_quota, used, reserved, max(0, quota - used - reserved))


def _next_month(now: datetime) -> datetime:
    utc = now.astimezone(UTC)
    return datetime(utc.year + utc.month // 12, utc.month % 12 + 1, 1, tzinfo=UTC)
