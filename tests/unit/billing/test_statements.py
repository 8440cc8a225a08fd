"""Statements and receipts: in any history, what they show adds up to what the events say."""

from collections import Counter
from dataclasses import fields
from typing import Any, cast
from uuid import UUID

import pytest

from application.ports import Actor, RecordedEvent
from domain.billing.budget import Budget
from domain.generation.generation import Generation
from domain.generation.receipt import receipt_lines
from domain.kernel import Party, Root
from projections.billing.budget_charge import BudgetCharges, statement
from projections.kernel import Fold
from tests.support.history import History
from tests.support.projecting import recorded

SEEDS = range(12)
CHANGES = 250


def happened(seed: int) -> tuple[History, list[Root.Event]]:
    """A random history and all of its events, in order."""
    history, events = History(seed), list[Root.Event]()
    for roots in history.changes(CHANGES):
        for root in roots:
            events += cast(list[Root.Event], root.collect_events())
    return history, events


def rows_of(events: list[RecordedEvent]) -> Fold:
    fold = Fold(BudgetCharges())
    staged = fold.stage([event for event in events if isinstance(event.data, Budget.Event)])
    fold.learn({})
    fold.fold(staged)
    return fold


@pytest.mark.parametrize("seed", SEEDS)
def test_the_lines_of_a_statement_add_up_to_what_the_budget_has_used(seed: int) -> None:
    history, events = happened(seed)
    sums: Counter[tuple[object, str]] = Counter()
    for (budget_id, _), row in rows_of(recorded(*events)).rows.items():
        assert row is not None
        sums[budget_id, "tokens"] += row["tokens"]
        sums[budget_id, "micros"] += row["micros"]
    budgets = history.of(Budget)
    assert {budget.id: (sums[budget.id, "tokens"], sums[budget.id, "micros"]) for budget in budgets} == {
        budget.id: (budget.used_tokens, budget.used_micros) for budget in budgets
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_receipts_add_up_to_what_generations_and_budgets_say(seed: int) -> None:
    history, events = happened(seed)
    paid: Counter[object] = Counter()
    for generation in history.of(Generation):
        lines = receipt_lines(event for event in events if event.originator_id == generation.id)
        assert sum(line.cost_micros for line in lines) == generation.cost_micros
        assert sum(line.input_tokens + line.output_tokens for line in lines) == generation.cost.tokens
        for line in lines:
            paid[Budget.id_of(Party(line.payer_kind, line.payer_id), line.month)] += line.cost_micros
    assert {budget.id: paid[budget.id] for budget in history.of(Budget)} == {
        budget.id: budget.used_micros for budget in history.of(Budget)
    }


def test_these_histories_have_charges_of_several_generations_and_stand_ins() -> None:
    events = [event for seed in SEEDS for event in happened(seed)[1]]
    kinds = Counter(type(event) for event in events)
    assert min(kinds[kind] for kind in (Budget.Charged, Budget.Settled, Generation.StandInChosen)) > 5


class OneQuery:
    """Rows of a budget without charges, for one query only."""

    def __init__(self) -> None:
        self.queries = 0

    async def all(self, kind: Any, query: str, params: Any) -> list[Any]:
        self.queries += 1
        return [kind(0, 0, *[None] * (len(fields(kind)) - 2))]


async def test_sums_and_lines_are_read_in_one_query_so_that_they_belong_together() -> None:
    rows = OneQuery()
    found = await statement(rows, Actor(UUID(int=1)), "2026-11")  # type: ignore[arg-type]
    assert (rows.queries, found.tokens, found.items) == (1, 0, [])
