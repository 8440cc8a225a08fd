"""What generations and budgets add to a history."""

from dataclasses import replace
from uuid import uuid5

from application.ports import Actor
from domain.billing.budget import ALLOWANCES, Budget, BudgetExceeded, Spender, month_of
from domain.content.document import Document
from domain.generation.answer import AttemptAnswers, ModelAnswer
from domain.generation.drafts import accept, discard
from domain.generation.generation import Generation
from domain.generation.placement import Placement
from domain.generation.pricing import Cost, TokenPrice
from domain.generation.refusing import refuse
from domain.generation.requesting import AS_ASKED, ModelChoice, Quote, Wish, WritingTerms, request, request_again
from domain.generation.sources import SourceDocument
from domain.generation.writing import answer as answer_attempt
from domain.kernel import Root
from tests.support.history.kernel import History, begins, changes

MODEL = ModelChoice("swift", TokenPrice(1_000_000, 2_000_000), 10_000_000, 4_000, takes_temperature=True)


def budget_of(history: History, generation: Generation) -> Budget:
    """The budget of a generation; it is opened if there is none."""
    id = Budget.id_of(generation.payer, generation.month)
    found = next((budget for budget in history.of(Budget) if budget.id == id), None)
    return found or history.add(Budget.open(payer=generation.payer, month=generation.month, now=history.now))


def spender_of(generation: Generation) -> Spender | None:
    """Who spends the budget, if it is a team's."""
    return Spender(generation.asker_id, ALLOWANCES["enterprise"]) if generation.payer_kind == "team" else None


@begins(Generation, chance=0.1, needs=[Document])
def ask(history: History) -> list[Root]:
    """An owner asks for a text."""
    document = history.any(Document)
    if document.erased or document.trashed_at is not None:
        return []
    owner = Actor(document.owner_id, document.owner_id)
    target = history.random.choice(["append", "replace", "draft"])
    generation = request(
        document,
        Wish(
            history.text(),
            {"tone": history.line()},
            Placement(target),  # type: ignore[arg-type]
            100,
            variants=history.random.choice([1, 1, 3]),
            sources=history.random.choice([[], [SourceDocument(document.id, 1)]]),
            urgency="batch" if document.id.int % 2 else "now",
        ),
        MODEL,
        Quote("0" * 64, 100, month_of(history.now)),
        id=history.id(),
        by=owner,
        now=history.now,
    )
    budget = budget_of(history, generation)
    try:
        budget.reserve(
            generation.id,
            tokens=200,
            micros=300,
            allowance=ALLOWANCES["pro"],
            spender=spender_of(generation),
            now=history.now,
        )
    except BudgetExceeded:
        return [budget]
    history.add(generation)
    return [budget, generation]


@changes(Generation, weight=8)
def go_on(history: History) -> list[Root]:
    """A worker or the asker does something with a generation."""
    generation = history.any(Generation)
    document = next(each for each in history.of(Document) if each.id == generation.document_id)
    asker = Actor(generation.asker_id, generation.asker_id)
    budget, before = budget_of(history, generation), generation.cost
    changed: list[Root] = [generation, budget, document]
    _step(history, generation, document, asker)
    _pay(budget, generation, before, history)
    return changed


def _step(history: History, generation: Generation, document: Document, asker: Actor) -> None:
    now, chance = history.now, history.random.random()
    if generation.erased:
        return
    if chance < 0.05:
        generation.erase(now=now)
    elif generation.result == "draft":
        if chance < 0.5:
            discard(generation, by=asker, now=now)
        else:
            accept(generation, document, Placement(), variant=1, by=asker, now=now)
    elif generation.is_open and chance < 0.15:
        generation.cancel(by=asker, now=now)
    elif generation.is_open and not generation.attempt_is_open:
        batch_id = uuid5(generation.id, str(generation.attempt)) if generation.urgency == "batch" else None
        generation.start_attempt(document, prompt_tokens=110, obstacle=None, by=asker, now=now, batch_id=batch_id)
    elif generation.attempt_is_open and (chance < 0.4 or not generation.is_open):
        if chance < 0.2:
            refuse(generation, "unsafe_text", [history.line()], now=now)
        failure = history.random.choice(["cut", "unavailable", "refused"])
        uncounted = history.random.choice([[], [generation.variants]])
        generation.end_attempt(
            generation.attempt,
            failure,  # type: ignore[arg-type]
            input_tokens=10,
            output_tokens=2,
            uncounted=uncounted,
            now=now,
        )
    elif generation.attempt_is_open:
        _answer(history, generation, document, asker)
    elif generation.status != "done":
        terms = (
            WritingTerms(stand_in=replace(MODEL, name="thrifty", price=TokenPrice(1, 1))) if chance < 0.5 else AS_ASKED
        )
        request_again(generation, document, MODEL, Quote("0" * 64, 100, generation.month), terms, by=asker, now=now)


def _answer(history: History, generation: Generation, document: Document, asker: Actor) -> None:
    answer = ModelAnswer(history.text(), generation.asked_model, generation.asked_price, "complete", 90, 20)
    answers = AttemptAnswers([answer] * generation.variants, uncounted=history.random.choice([[], [1]]))
    answer_attempt(generation, generation.attempt, answers, document, by=asker, now=history.now)


def _pay(budget: Budget, generation: Generation, before: Cost, history: History) -> None:
    cost = generation.cost
    tokens, micros = cost.tokens - before.tokens, cost.micros - before.micros
    if generation.is_open and generation.id not in budget.reserved and not generation.erased:
        allowance = ALLOWANCES["enterprise"]
        budget.reserve(
            generation.id, tokens=200, micros=300, allowance=allowance, spender=spender_of(generation), now=history.now
        )
    if generation.is_open or generation.id not in budget.reserved:
        spender = spender_of(generation)
        user_id = None if spender is None else spender.user_id
        model = generation.asked_model
        budget.charge(generation.id, tokens=tokens, micros=micros, now=history.now, user_id=user_id, model=model)
    else:
        budget.settle(generation.id, tokens=tokens, micros=micros, now=history.now, model=generation.asked_model)
