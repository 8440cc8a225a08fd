"""Commands of the worker about attempts. They are sent as the asker, whose access is asked again each time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import Command, handles
from application.generation.choosing import choose
from application.generation.paying import allowances_of, budget_of, reserve_in, settle_up
from application.generation.sources import read_sources
from application.lookup import find
from application.ports import Actor, Clock, Models, Store, UnknownModel
from domain.billing.budget import Budget, BudgetExceeded
from domain.content.document import Document
from domain.generation.answer import NOTHING, AnswerEnding, AttemptAnswers, ModelAnswer
from domain.generation.events import Failure, RefusalReason
from domain.generation.generation import Generation
from domain.generation.losing import expire, lose_attempt
from domain.generation.pricing import AttemptCost, Fallback, TokenPrice
from domain.generation.refusing import VariantRefusal, refuse, refuse_variants
from domain.generation.writing import answer
from domain.kernel import Forbidden, NotFound


@dataclass(frozen=True, slots=True)
class AttemptState:
    """The attempt that was started, or is over (None), and whether another one may follow."""

    attempt: int | None
    is_open: bool


class StartAttempt(Command[AttemptState]):
    """Start the next attempt of a round. An attempt that is under way was lost with its worker.

    `lost_tokens`: of the texts of that one; `prompt_tokens`: of the prompt that is to be sent; `refused`: why it is
    not sent; `categories`: those for which moderation refuses it. `model`: which one is asked; None: the one that is to
    write. `batch_id`: the batch in which it is sent; then an attempt that is under way goes on, and no other starts.
    """

    generation_id: UUID
    round: int
    lost_tokens: int
    prompt_tokens: int
    refused: RefusalReason | None = None
    categories: tuple[str, ...] = ()
    model: str | None = None
    batch_id: UUID | None = None


class EndAttempt(Command[AttemptState]):
    """End an attempt that has given no text.

    `uncounted`: the variants whose tokens only we have counted; `refusals`: what is refused of the texts.
    """

    generation_id: UUID
    attempt: int
    failure: Failure
    input_tokens: int
    output_tokens: int
    is_try: bool = True
    uncounted: Sequence[int] = ()
    refusals: Sequence[VariantRefusal] = ()


@dataclass(frozen=True, slots=True)
class VariantAnswer:
    """The answer of a model to an attempt that asked once, or one of its variants. `is_counted`: by the provider."""

    text: str
    ending: AnswerEnding
    input_tokens: int
    output_tokens: int
    is_sandbox: bool
    is_counted: bool = True


@dataclass(frozen=True, slots=True)
class TextUse:
    """What a text has used that is not kept. `is_counted`: by the provider."""

    input_tokens: int
    output_tokens: int
    is_counted: bool = True


def uncounted(used: Sequence[VariantAnswer | TextUse]) -> list[int]:
    """Return the numbers of variants, from 1, whose tokens only we have counted. `used`: of all, in their order."""
    return [number for number, each in enumerate(used, start=1) if not each.is_counted]


class RecordAnswer(Command[None]):
    """Write the text of an attempt into the document, or keep it, or several, as drafts.

    `answers`: one for each variant; of one that failed or is refused, what it has used. `refusals`: those that are
    refused.
    """

    generation_id: UUID
    attempt: int
    answers: list[VariantAnswer | TextUse]
    refusals: Sequence[VariantRefusal] = ()


class ExpireGeneration(Command[None]):
    """Give a generation up that no worker has ended in time. `lost_tokens`: of the texts of its attempt."""

    generation_id: UUID
    lost_tokens: int = 0


@handles
async def start_attempt(cmd: StartAttempt, store: Store, actor: Actor, clock: Clock, models: Models) -> AttemptState:
    generation, now = await store.get(Generation, cmd.generation_id), clock()
    budget, before, attempt = await budget_of(store, generation), generation.cost, None
    if cmd.batch_id is None:
        lose_attempt(generation, output_tokens=cmd.lost_tokens, now=now)
        settle_up(budget, generation, before, now)
    if generation.is_due(cmd.round):
        document = await find(store, Document, generation.document_id)
        obstacle = await _source_obstacle(generation, store, actor, now)
        obstacle = obstacle or await _obstacle(generation, cmd, budget, store, models, now)
        attempt = generation.start_attempt(
            document,
            prompt_tokens=cmd.prompt_tokens,
            obstacle=obstacle,
            fallback=_fallback(generation, cmd.model, models),
            batch_id=cmd.batch_id,
            by=actor,
            now=now,
        )
        settle_up(budget, generation, generation.cost, now)
    store.save(generation, budget)
    return AttemptState(attempt, generation.is_open)


def _fallback(generation: Generation, asked: str | None, models: Models) -> Fallback | None:
    """Return the model that is asked, if it is not the one that is to write. What the payer's own key pays is free."""
    if asked is None or asked == generation.writer:
        return None
    return Fallback(asked, TokenPrice(0, 0) if generation.own_key else choose(models, asked).price)


async def _source_obstacle(generation: Generation, store: Store, actor: Actor, now: datetime) -> Failure | None:
    """Return what forbids to draw on the generation's sources; None: nothing."""
    try:
        await read_sources(store, generation.sources, actor, now)
    except (NotFound, Forbidden):
        return "no_access"
    return None


async def _obstacle(
    generation: Generation, cmd: StartAttempt, budget: Budget, store: Store, models: Models, now: datetime
) -> Failure | None:
    """Reserve what the next attempt may cost. Returns what forbids it; None: nothing."""
    if cmd.batch_id is not None and not generation.has_time_for_batch(now):
        return "unavailable"
    if cmd.refused is not None:
        refuse(generation, cmd.refused, cmd.categories, now=now)
        return "refused"
    try:
        model = choose(models, generation.writer)
    except UnknownModel:
        return "refused"
    if cmd.prompt_tokens + generation.max_output_tokens > model.context_tokens:
        return "too_long"
    try:
        allowances = await allowances_of(store, generation.payer, generation.asker_id)
        reserve_in(budget, generation, cmd.prompt_tokens, allowances, now)
    except BudgetExceeded:
        return "budget"
    return None


@handles
async def end_attempt(cmd: EndAttempt, store: Store, clock: Clock) -> AttemptState:
    generation, now = await store.get(Generation, cmd.generation_id), clock()
    budget, before = await budget_of(store, generation), generation.cost
    refuse_variants(generation, cmd.attempt, cmd.refusals, now=now)
    generation.end_attempt(
        cmd.attempt,
        cmd.failure,
        input_tokens=cmd.input_tokens,
        output_tokens=cmd.output_tokens,
        is_try=cmd.is_try,
        uncounted=cmd.uncounted,
        now=now,
    )
    settle_up(budget, generation, before, now)
    store.save(generation, budget)
    return AttemptState(None, generation.is_open)


@handles
async def record_answer(cmd: RecordAnswer, store: Store, actor: Actor, clock: Clock) -> None:
    generation, now = await store.get(Generation, cmd.generation_id), clock()
    budget, before = await budget_of(store, generation), generation.cost
    document = await find(store, Document, generation.document_id)
    given = [_model_answer(each, generation) if isinstance(each, VariantAnswer) else None for each in cmd.answers]
    unkept = [each for each in cmd.answers if isinstance(each, TextUse)]
    answers = AttemptAnswers(given, cost_of(unkept, generation), uncounted(cmd.answers))
    refuse_variants(generation, cmd.attempt, cmd.refusals, now=now)
    answer(generation, cmd.attempt, answers, document, by=actor, now=now)
    settle_up(budget, generation, before, now)
    store.save(generation, budget, *([] if document is None else [document]))


def _model_answer(answer: VariantAnswer, generation: Generation) -> ModelAnswer:
    """Return an answer with the model that gave it, and its price."""
    return ModelAnswer(
        answer.text,
        generation.asked_model,
        generation.asked_price,
        answer.ending,
        answer.input_tokens,
        answer.output_tokens,
        is_sandbox=answer.is_sandbox,
    )


def cost_of(used: Sequence[TextUse], generation: Generation) -> AttemptCost:
    """Return what texts of the last attempt have cost."""
    price = generation.asked_price
    return sum([AttemptCost.of(price, each.input_tokens, each.output_tokens) for each in used], start=NOTHING)


@handles
async def expire_generation(cmd: ExpireGeneration, store: Store, clock: Clock) -> None:
    generation, now = await store.get(Generation, cmd.generation_id), clock()
    budget, before = await budget_of(store, generation), generation.cost
    expire(generation, lost_tokens=cmd.lost_tokens, now=now)
    settle_up(budget, generation, before, now)
    store.save(generation, budget)
