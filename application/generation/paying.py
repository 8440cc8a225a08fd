"""What generations cost their payers: the budget is loaded, changed and saved with the generation."""

from dataclasses import dataclass
from datetime import datetime

from application.generation.choosing import cheaper
from application.lookup import find
from application.ports import Models, Store
from domain.billing.budget import ALLOWANCES, Allowance, Budget, Spender
from domain.billing.subscription import Plan, Subscription
from domain.generation.generation import Generation
from domain.generation.pricing import Cost
from domain.generation.requesting import choose_stand_in
from domain.kernel import Party
from domain.teams.budget_limits import budget_limit
from domain.teams.team import Team


@dataclass(frozen=True, slots=True)
class Allowances:
    """What a payer may use in a month and, where a team pays, what the asker may spend of it."""

    payer: Allowance
    asker: Spender | None

    def has_soft_room(self, budget: Budget, generation: Generation) -> bool:
        """Return whether the soft budgets have room for the generation."""
        tokens, micros = _most(generation, generation.estimated_tokens)
        left = [budget.left(generation.id, self.payer.soft)]
        if self.asker is not None:
            left.append(budget.left(generation.id, self.asker.allowance.soft, self.asker.user_id))
        return all(tokens <= left_tokens and micros <= left_micros for left_tokens, left_micros in left)


async def reserve(store: Store, generation: Generation, models: Models, now: datetime) -> Budget:
    """Reserve the most that an attempt may cost, as `reserve_new` in the budget of the generation's month."""
    budget = await open_budget(store, generation, now)
    await reserve_new(budget, store, generation, models, now)
    return budget


async def open_budget(store: Store, generation: Generation, now: datetime) -> Budget:
    """Return the budget of a generation's month; it is opened if need be."""
    budget = await find(store, Budget, Budget.id_of(generation.payer, generation.month))
    return budget or Budget.open(payer=generation.payer, month=generation.month, now=now)


async def reserve_new(budget: Budget, store: Store, generation: Generation, models: Models, now: datetime) -> None:
    """Reserve the most that an attempt of a new round may cost.

    If the soft budget has no room for it, a cheaper model of the fallback chain is to write, if there is one.

    Raises:
        BudgetExceeded: less is left.
    """
    allowances = await _allowances(store, generation)
    if not allowances.has_soft_room(budget, generation):
        stand_in = cheaper(models, generation.model, generation.estimated_tokens, generation.max_output_tokens)
        if stand_in is not None:
            choose_stand_in(generation, stand_in, now=now)
    _reserve(budget, allowances, generation, generation.estimated_tokens, now)


async def reserve_in(budget: Budget, store: Store, generation: Generation, prompt_tokens: int, now: datetime) -> None:
    """Reserve the most that an attempt with such a prompt may cost, with all its variants.

    Raises:
        BudgetExceeded: less is left.
    """
    _reserve(budget, await _allowances(store, generation), generation, prompt_tokens, now)


async def plan_of(store: Store, payer: Party) -> Plan:
    """Return the plan of a payer. One without a subscription has the free plan."""
    subscription = await find(store, Subscription, Subscription.id_of(payer))
    return "free" if subscription is None else subscription.plan


async def budget_of(store: Store, generation: Generation) -> Budget:
    """Load the budget in which a generation was reserved last."""
    return await store.get(Budget, Budget.id_of(generation.payer, generation.month))


def settle_up(budget: Budget, generation: Generation, before: Cost, now: datetime) -> None:
    """Add what a generation has cost since `before`, and end its reservation if it has ended."""
    cost = generation.cost
    tokens, micros = cost.tokens - before.tokens, cost.micros - before.micros
    if generation.id not in budget.reserved or generation.is_open:
        user_id = generation.asker_id if generation.payer_kind == "team" else None
        budget.charge(generation.id, tokens=tokens, micros=micros, now=now, user_id=user_id)
    elif tokens or micros:
        budget.settle(generation.id, tokens=tokens, micros=micros, now=now)
    else:
        budget.release(generation.id, now=now)


async def _allowances(store: Store, generation: Generation) -> Allowances:
    allowance = ALLOWANCES[await plan_of(store, generation.payer)]
    team = await find(store, Team, generation.payer_id) if generation.payer_kind == "team" else None
    if team is None:
        return Allowances(allowance, None)
    allowance = allowance.limited(*budget_limit(team))
    own = allowance.limited(*budget_limit(team, generation.asker_id))
    return Allowances(allowance, Spender(generation.asker_id, own))


def _reserve(budget: Budget, allowances: Allowances, generation: Generation, prompt_tokens: int, now: datetime) -> None:
    tokens, micros = _most(generation, prompt_tokens)
    budget.reserve(
        generation.id, tokens=tokens, micros=micros, allowance=allowances.payer, now=now, spender=allowances.asker
    )


def _most(generation: Generation, prompt_tokens: int) -> tuple[int, int]:
    """Return the most tokens and micro-dollars that an attempt may take, with all its variants."""
    most, variants = generation.max_output_tokens, generation.variants
    return variants * (prompt_tokens + most), variants * generation.price.cost(prompt_tokens, most)
