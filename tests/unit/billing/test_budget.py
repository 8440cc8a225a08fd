"""Budgets: reserve, charge, settle, release, and notices."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.billing.budget import Allowance, Budget, BudgetExceeded, Spender, TeamBudgetExceeded, month_of
from domain.kernel import Party
from tests.support.given import NOW, Fact, fact, new_events

PAYER = Party("user", UUID(int=1))
ONE, TWO = UUID(int=0x61), UUID(int=0x62)
ALLOWANCE = Allowance(1_000, 10_000)


def opened() -> Budget:
    budget = Budget.open(payer=PAYER, month="2026-11", now=NOW)
    budget.collect_events()
    return budget


def reserve(budget: Budget, id: UUID = ONE, tokens: int = 600, micros: int = 100) -> None:
    budget.reserve(id, tokens=tokens, micros=micros, allowance=ALLOWANCE, now=NOW)


def reserved(id: UUID = ONE, tokens: int = 600, micros: int = 100) -> Fact:
    return fact(
        Budget.Reserved, generation_id=id, tokens=tokens, micros=micros, limit_tokens=1_000, limit_micros=10_000
    )


def test_a_month_has_one_budget_of_a_payer() -> None:
    assert Budget.id_of(PAYER, "2026-11") == opened().id
    assert Budget.id_of(PAYER, "2026-12") != opened().id
    assert month_of(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == "2026-11"


def test_a_second_reservation_of_a_generation_is_not_news() -> None:
    budget = opened()
    reserve(budget)
    reserve(budget)
    assert new_events(budget) == [reserved()]


@pytest.mark.parametrize(("tokens", "micros"), [(401, 1), (1, 9_901)])
def test_what_is_left_bounds_a_reservation_in_tokens_and_money(tokens: int, micros: int) -> None:
    budget = opened()
    reserve(budget)
    with pytest.raises(BudgetExceeded):
        reserve(budget, TWO, tokens, micros)
    assert new_events(budget) == [reserved()]


def test_what_is_left_can_be_reserved_to_the_last_token() -> None:
    budget = opened()
    reserve(budget)
    reserve(budget, TWO, 400, 9_900)
    assert (budget.reserved_tokens, budget.reserved_micros) == (1_000, 10_000)


def test_a_settled_generation_gives_the_rest_back_once() -> None:
    budget = opened()
    reserve(budget)
    for _ in range(2):
        budget.settle(ONE, tokens=100, micros=10, now=NOW)
        budget.release(ONE, now=NOW)
    assert new_events(budget)[1:] == [fact(Budget.Settled, generation_id=ONE, tokens=100, micros=10, model=None)]
    assert (budget.used_tokens, budget.used_micros, budget.reserved) == (100, 10, {})


def test_a_released_generation_costs_nothing() -> None:
    budget = opened()
    reserve(budget)
    for _ in range(2):
        budget.release(ONE, now=NOW)
        budget.settle(ONE, tokens=100, micros=10, now=NOW)
    assert new_events(budget)[1:] == [fact(Budget.Released, generation_id=ONE)]
    assert (budget.used_tokens, budget.reserved) == (0, {})


def test_a_charge_keeps_the_reservation_and_nothing_is_no_charge() -> None:
    budget = opened()
    reserve(budget)
    budget.charge(ONE, tokens=0, micros=0, now=NOW)
    budget.charge(ONE, tokens=50, micros=5, now=NOW)
    assert new_events(budget)[1:] == [fact(Budget.Charged, generation_id=ONE, tokens=50, micros=5, model=None)]
    assert (budget.used_tokens, [*budget.reserved]) == (50, [ONE])


def test_notices_come_once_each_at_the_highest_percentage_reached() -> None:
    budget = opened()
    told = []
    for tokens in (499, 1, 1, 300, 199):
        reserve(budget, ONE, tokens, 1)
        budget.settle(ONE, tokens=tokens, micros=1, now=NOW)
        told.append(budget.noticed)
    assert told == [0, 50, 50, 80, 100]
    assert [each.fields["percent"] for each in new_events(budget) if each.kind is Budget.NoticeReached] == [50, 80, 100]


def notices(budget: Budget) -> list[int]:
    return [each.fields["percent"] for each in new_events(budget) if each.kind is Budget.NoticeReached]


def test_a_refusal_is_noted_once_as_the_last_notice() -> None:
    budget = opened()
    for _ in range(2):
        budget.note_refusal(ALLOWANCE, now=NOW)
    reserve(budget, tokens=1_000)
    budget.settle(ONE, tokens=1_000, micros=1, now=NOW)
    assert notices(budget) == [100]


def test_after_a_refusal_by_a_raised_allowance_there_is_another_notice() -> None:
    budget = opened()
    budget.note_refusal(ALLOWANCE, now=NOW)
    budget.note_refusal(Allowance(2_000, 10_000), now=NOW)
    assert notices(budget) == [100, 100]


def test_a_raised_allowance_brings_notices_again_beyond_what_is_used_of_it() -> None:
    budget, raised = opened(), Allowance(2_000, 20_000)
    reserve(budget, tokens=1_000)
    budget.settle(ONE, tokens=1_000, micros=1, now=NOW)
    told = []
    for tokens in (10, 590, 400):
        budget.reserve(TWO, tokens=tokens, micros=1, allowance=raised, now=NOW)
        budget.settle(TWO, tokens=tokens, micros=1, now=NOW)
        told.append(budget.noticed)
    assert (told, notices(budget)) == ([50, 80, 100], [100, 80, 100])


def test_a_lowered_allowance_brings_no_notice_again() -> None:
    budget = opened()
    reserve(budget, tokens=500)
    budget.settle(ONE, tokens=500, micros=1, now=NOW)
    budget.reserve(TWO, tokens=1, micros=1, allowance=Allowance(999, 10_000), now=NOW)
    budget.settle(TWO, tokens=1, micros=1, now=NOW)
    assert notices(budget) == [50]


def test_money_alone_brings_a_notice() -> None:
    budget = opened()
    reserve(budget, micros=9_000)
    budget.settle(ONE, tokens=1, micros=8_000, now=NOW)
    assert budget.noticed == 80


TEAM, ADA, BOB = Party("team", UUID(int=5)), UUID(int=0xADA), UUID(int=0xB0B)


def of_team() -> Budget:
    budget = Budget.open(payer=TEAM, month="2026-11", now=NOW)
    budget.collect_events()
    return budget


def spend(budget: Budget, user_id: UUID, id: UUID, tokens: int, allowed: int = 500) -> None:
    spender = Spender(user_id, Allowance(allowed, 10_000))
    budget.reserve(id, tokens=tokens, micros=1, allowance=ALLOWANCE, spender=spender, now=NOW)


def test_a_user_of_a_team_spends_no_more_than_the_team_allows() -> None:
    budget = of_team()
    spend(budget, ADA, ONE, 500)
    with pytest.raises(TeamBudgetExceeded, match=" 0 tokens"):
        spend(budget, ADA, TWO, 1)
    spend(budget, BOB, TWO, 500)
    assert (budget.reserved_of(ADA), budget.reserved_of(BOB)) == ((500, 1), (500, 1))


def test_a_limit_of_a_user_does_not_raise_that_of_the_team() -> None:
    budget = of_team()
    spend(budget, ADA, ONE, 500)
    with pytest.raises(BudgetExceeded) as refused:
        spend(budget, BOB, TWO, 501, allowed=1_000)
    assert not isinstance(refused.value, TeamBudgetExceeded)


def test_what_is_settled_and_charged_counts_for_its_user() -> None:
    budget = of_team()
    spend(budget, ADA, ONE, 500)
    budget.charge(ONE, tokens=100, micros=2, now=NOW, user_id=ADA)
    budget.settle(ONE, tokens=50, micros=1, now=NOW)
    budget.charge(ONE, tokens=7, micros=0, now=NOW, user_id=ADA)
    assert (budget.used_of(ADA), budget.reserved_of(ADA), budget.spenders) == ((157, 3), (0, 0), {})
    assert (budget.used_tokens, budget.used_micros) == (157, 3)


def test_a_lower_limit_counts_and_a_higher_one_does_not() -> None:
    assert ALLOWANCE.limited(10, 20_000) == Allowance(10, 10_000)
    assert ALLOWANCE.limited(None, None) == ALLOWANCE
    assert ALLOWANCE.limited(0, None).soft == Allowance(0, 8_000)


USERS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "charge", "settle", "release"]),
        st.integers(0, 4).map(lambda n: UUID(int=n)),
        st.integers(0, 300),
    )
)


@for_all(USERS)
def test_what_the_users_of_a_team_use_adds_up_to_what_the_team_uses(steps: list[tuple[str, UUID, int]]) -> None:
    budget = of_team()
    for step, id, tokens in steps:
        user_id = ADA if id.int % 2 else BOB
        match step:
            case "reserve":
                try:
                    spend(budget, user_id, id, tokens)
                except BudgetExceeded:
                    continue
            case "charge":
                budget.charge(id, tokens=tokens, micros=1, now=NOW, user_id=user_id)
            case "settle":
                budget.settle(id, tokens=tokens, micros=1, now=NOW)
            case _:
                budget.release(id, now=NOW)
        assert sum(budget.used_of(each)[0] for each in (ADA, BOB)) == budget.used_tokens
        assert sum(budget.reserved_of(each)[0] for each in (ADA, BOB)) == budget.reserved_tokens
        assert {*budget.spenders} == {*budget.reserved}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "release"]),
        st.integers(0, 4).map(lambda n: UUID(int=n)),
        st.integers(0, 500),
    )
)


@for_all(STEPS)
def test_used_and_reserved_never_exceed_the_allowance(steps: list[tuple[str, UUID, int]]) -> None:
    budget = opened()
    for step, id, tokens in steps:
        match step:
            case "reserve":
                try:
                    reserve(budget, id, tokens, 1)
                except BudgetExceeded:
                    continue
            case "settle":
                budget.settle(id, tokens=min(tokens, budget.reserved.get(id, [0, 0])[0]), micros=1, now=NOW)
            case _:
                budget.release(id, now=NOW)
        assert budget.used_tokens + budget.reserved_tokens <= ALLOWANCE.tokens
