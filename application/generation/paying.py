"""What generations cost their payers: the budget is loaded, changed and saved with the generation."""

from datetime import datetime

from application.lookup import find
from application.ports import Store
from domain.billing.budget import ALLOWANCES, Budget
from domain.billing.subscription import Subscription
from domain.generation.generation import Generation
from domain.generation.pricing import Cost


async def reserve(store: Store, generation: Generation, now: datetime) -> Budget:
    """Reserve the most that an attempt may cost, in the budget of the generation's month; it is opened if need be.

    Raises:
        BudgetExceeded: less is left.
    """
    budget = await find(store, Budget, Budget.id_of(generation.payer, generation.month))
    budget = budget or Budget.open(payer=generation.payer, month=generation.month, now=now)
    await reserve_in(budget, store, generation, generation.estimated_tokens, now)
    return budget


async def reserve_in(budget: Budget, store: Store, generation: Generation, prompt_tokens: int, now: datetime) -> None:
    """Reserve the most that an attempt with such a prompt may cost, with all its variants.

    Raises:
        BudgetExceeded: less is left.
    """
    plan = await find(store, Subscription, Subscription.id_of(generation.payer))
    budget.reserve(
        generation.id,
        tokens=generation.variants * (prompt_tokens + generation.max_output_tokens),
        micros=generation.variants * generation.price.cost(prompt_tokens, generation.max_output_tokens),
        allowance=ALLOWANCES["free" if plan is None else plan.plan],
        now=now,
    )


async def budget_of(store: Store, generation: Generation) -> Budget:
    """Load the budget in which a generation was reserved last."""
    return await store.get(Budget, Budget.id_of(generation.payer, generation.month))


def settle_up(budget: Budget, generation: Generation, before: Cost, now: datetime) -> None:
    """Add what a generation has cost since `before`, and end its reservation if it has ended."""
    cost = generation.cost
    tokens, micros = cost.tokens - before.tokens, cost.micros - before.micros
    if generation.id not in budget.reserved or generation.is_open:
        budget.charge(generation.id, tokens=tokens, micros=micros, now=now)
    elif tokens or micros:
        budget.settle(generation.id, tokens=tokens, micros=micros, now=now)
    else:
        budget.release(generation.id, now=now)
