"""What generations cost their payers: the budget is loaded, changed and saved with the generation."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.generation.choosing import cheaper
from application.generation.provider_key import has_own_key
from application.lookup import find
from application.ports import Models, Store
from domain.billing.budget import ALLOWANCES, Allowance, Budget, BudgetExceeded, Spender, TeamBudgetExceeded, month_of
from domain.billing.subscription import Plan, Subscription
from domain.generation.generation import Generation
from domain.generation.pricing import Cost, TokenPrice
from domain.generation.requesting import ModelChoice, WritingTerms
from domain.generation.urgency import Urgency
from domain.kernel import Party
from domain.teams.budget_limits import budget_limit
from domain.teams.team import Team


@dataclass(frozen=True, slots=True)
class Allowances:
    """What a payer may use in a month by their plan and, where a team pays, what the asker may spend of it."""

    plan: Plan
    payer: Allowance
    asker: Spender | None

    def have_soft_room(self, budget: Budget, id: UUID, tokens: int, micros: int) -> bool:
        """Return whether the soft budgets have room for a generation."""
        left = [budget.left(id, self.payer.soft)]
        if self.asker is not None:
            left.append(budget.left(id, self.asker.allowance.soft, self.asker.user_id))
        return all(tokens <= left_tokens and micros <= left_micros for left_tokens, left_micros in left)


@dataclass(frozen=True, slots=True)
class Payment:
    """What pays for the texts that a command asks for: the budget of the month, and what it allows.

    `own_key`: the payer's own key of the provider pays for the money.
    """

    budget: Budget
    allowances: Allowances
    own_key: bool


@dataclass(frozen=True, slots=True)
class AttemptNeed:
    """What a request may take at most: of each variant, the tokens of its prompt and of its answer."""

    model: ModelChoice
    prompt_tokens: int
    output_tokens: int
    variants: int
    urgency: Urgency


async def open_budget(store: Store, payer: Party, month: str, now: datetime) -> Budget:
    """Return the budget of a payer's month; it is opened if need be."""
    budget = await find(store, Budget, Budget.id_of(payer, month))
    return budget or Budget.open(payer=payer, month=month, now=now)


async def payment_of(store: Store, payer: Party, asker_id: UUID, now: datetime) -> Payment:
    """Return what pays for texts that a user asks for now."""
    budget = await open_budget(store, payer, month_of(now), now)
    return Payment(budget, await allowances_of(store, payer, asker_id), await has_own_key(store, payer))


async def allowances_of(store: Store, payer: Party, asker_id: UUID) -> Allowances:
    """Return what a payer's generations for a user may use. A payer without a subscription has the free plan."""
    subscription = await find(store, Subscription, Subscription.id_of(payer))
    team = await find(store, Team, payer.id) if payer.kind == "team" else None
    plan: Plan = "free" if subscription is None else subscription.plan
    allowance = ALLOWANCES[plan]
    if team is None:
        return Allowances(plan, allowance, None)
    allowance = allowance.limited(*budget_limit(team))
    own = allowance.limited(*budget_limit(team, asker_id))
    return Allowances(plan, allowance, Spender(asker_id, own))


def terms_of(payment: Payment, id: UUID, need: AttemptNeed, models: Models) -> WritingTerms:
    """Return who is to write and to pay for a new round of the generation `id`.

    If the soft budget has no room for it, a cheaper model of the fallback chain is to write, if there is one.
    """
    price = TokenPrice(0, 0) if payment.own_key else need.model.price
    tokens, micros = _most(price, need.prompt_tokens, need.output_tokens, need.variants)
    if payment.allowances.have_soft_room(payment.budget, id, tokens, micros):
        return WritingTerms(payment.own_key)
    stand_in = cheaper(models, need.model, need.prompt_tokens, need.output_tokens, need.urgency)
    return WritingTerms(payment.own_key, stand_in)


def reserve_in(
    budget: Budget, generation: Generation, prompt_tokens: int, allowances: Allowances, now: datetime
) -> None:
    """Reserve the most that an attempt with such a prompt may cost, with all its variants.

    Raises:
        BudgetExceeded: less is left; it is noted in the budget if it is the payer's.
    """
    tokens, micros = _most(generation.price, prompt_tokens, generation.max_output_tokens, generation.variants)
    try:
        budget.reserve(
            generation.id, tokens=tokens, micros=micros, allowance=allowances.payer, now=now, spender=allowances.asker
        )
    except TeamBudgetExceeded:
        raise
    except BudgetExceeded:
        budget.note_refusal(allowances.payer, now=now)
        raise


async def budget_of(store: Store, generation: Generation) -> Budget:
    """Load the budget in which a generation was reserved last."""
    return await store.get(Budget, Budget.id_of(generation.payer, generation.month))


def settle_up(budget: Budget, generation: Generation, before: Cost, now: datetime) -> None:
    """Add what a generation has cost since `before`, and end its reservation if it has ended."""
    cost = generation.cost
    tokens, micros = cost.tokens - before.tokens, cost.micros - before.micros
    if generation.id not in budget.reserved or generation.is_open:
        user_id = generation.asker_id if generation.payer_kind == "team" else None
        budget.charge(
            generation.id, tokens=tokens, micros=micros, now=now, user_id=user_id, model=generation.asked_model
        )
    elif tokens or micros:
        budget.settle(generation.id, tokens=tokens, micros=micros, now=now, model=generation.asked_model)
    else:
        budget.release(generation.id, now=now)


def _most(price: TokenPrice, prompt_tokens: int, output_tokens: int, variants: int) -> tuple[int, int]:
    """Return the most tokens and micro-dollars that an attempt may take, with all its variants."""
    return variants * (prompt_tokens + output_tokens), variants * price.cost(prompt_tokens, output_tokens)
