"""The life of a budget."""

from uuid import UUID

from domain.billing.budget import ALLOWANCES, Budget, Spender
from domain.kernel import Party
from tests.support.given import NOW
from tests.support.lives.kernel import ADA, LATER, life


@life
def budget() -> Budget:
    """One generation is charged and settled, with a notice; another one is released."""
    budget = Budget.open(payer=Party("user", ADA.user_id), month="2026-11", now=NOW)
    one, two = UUID(int=0x61), UUID(int=0x62)
    for id in (one, two):
        budget.reserve(id, tokens=60_000, micros=1_000, allowance=ALLOWANCES["free"], now=LATER)
    budget.charge(one, tokens=90_000, micros=100, now=LATER, model="swift")
    budget.settle(one, tokens=20_000, micros=500, now=LATER)
    budget.release(two, now=LATER)
    spender = Spender(ADA.user_id, ALLOWANCES["free"])
    budget.reserve(two, tokens=10, micros=10, allowance=ALLOWANCES["free"], spender=spender, now=LATER)
    budget.note_refusal(ALLOWANCES["pro"], now=LATER)
    return budget
