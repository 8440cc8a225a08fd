"""What generations cost their payers: the budget is loaded, changed and saved with the generation."""

from datetime import datetime

from application.lookup import find
from application.ports import Store
from domain.billing.budget import ALLOWANCES, Budget
from domain.billing.subscription import Subscription
from domain.generation.generation import Generation
from domain.generation.pricing import Cost


async def reserve(store: Store, generation: Generation, now: datetime) -> Budget:
    """Reserve the most that a generation may cost, in the budget of its month.

    Raises:
        BudgetExceeded: less is left.
    """
    plan = await find(store, Subscription, Subscription.id_of(generation.payer))
    budget = await find(store, Budget, Budget.id_of(generation.payer, generation.month))
    budget = budget or Budget.open(payer=generation.payer, month=generation.month, now=now)
    budget.reserve(
        generation.id,
        tokens=generation.estimated_tokens + generation.max_output_tokens,
        micros=generation.estimated_micros,
        allowance=ALLOWANCES["free" if plan is None else plan.plan],
        now=now,
    )
    return budget


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
