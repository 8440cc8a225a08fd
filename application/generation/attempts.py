"""Commands of the worker about attempts. They are sent as the asker, whose access is asked again each time."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import Command, handles
from application.generation.generation import choose
from application.generation.paying import budget_of, reserve_in, settle_up
from application.lookup import find
from application.ports import Actor, Clock, Models, Store, UnknownModel
from domain.billing.budget import Budget, BudgetExceeded
from domain.content.document import Document
from domain.generation.answer import AnswerEnding, ModelAnswer
from domain.generation.events import Failure, RefusalReason
from domain.generation.generation import Generation
from domain.generation.pricing import TokenPrice
from domain.generation.refusing import refuse


@dataclass(frozen=True, slots=True)
class AttemptState:
    """The attempt that was started, or is over (None), and whether another one may follow."""

    attempt: int | None
    is_open: bool


class StartAttempt(Command[AttemptState]):
    """Start the next attempt of a round. An attempt that is under way was lost with its worker.

    `lost_tokens`: of the text of that one; `prompt_tokens`: of the prompt that is to be sent; `refused`: why it is
    not sent; `categories`: those for which moderation refuses it.
    """

    generation_id: UUID
    round: int
    lost_tokens: int
    prompt_tokens: int
    refused: RefusalReason | None = None
    categories: tuple[str, ...] = ()


class EndAttempt(Command[AttemptState]):
    """End an attempt that has given no text."""

    generation_id: UUID
    attempt: int
    failure: Failure
    input_tokens: int
    output_tokens: int
    is_try: bool = True


class RecordAnswer(Command[None]):
    """Write the text of an attempt into the document, or keep it as a draft."""

    generation_id: UUID
    attempt: int
    text: str
    model: str
    ending: AnswerEnding
    input_tokens: int
    output_tokens: int
    is_sandbox: bool


class ExpireGeneration(Command[None]):
    """Give a generation up that no worker has ended in time."""

    generation_id: UUID


@handles
async def start_attempt(cmd: StartAttempt, store: Store, actor: Actor, clock: Clock, models: Models) -> AttemptState:
    generation, now = await store.get(Generation, cmd.generation_id), clock()
    budget, before, attempt = await budget_of(store, generation), generation.cost, None
    sent = generation.estimated_tokens
    generation.end_attempt(generation.attempt, "lost", input_tokens=sent, output_tokens=cmd.lost_tokens, now=now)
    settle_up(budget, generation, before, now)
    if generation.is_due(cmd.round):
        document = await find(store, Document, generation.document_id)
        obstacle = await _obstacle(generation, cmd, budget, store, models, now)
        attempt = generation.start_attempt(
            document, prompt_tokens=cmd.prompt_tokens, obstacle=obstacle, by=actor, now=now
        )
        settle_up(budget, generation, generation.cost, now)
    store.save(generation, budget)
    return AttemptState(attempt, generation.is_open)


async def _obstacle(
    generation: Generation, cmd: StartAttempt, budget: Budget, store: Store, models: Models, now: datetime
) -> Failure | None:
    """Reserve what the next attempt may cost. Returns what forbids it; None: nothing."""
    if cmd.refused is not None:
        refuse(generation, cmd.refused, cmd.categories, now=now)
        return "refused"
    try:
        model = choose(models, generation.model)
    except UnknownModel:
        return "refused"
    if cmd.prompt_tokens + generation.max_output_tokens > model.context_tokens:
        return "too_long"
    try:
        await reserve_in(budget, store, generation, cmd.prompt_tokens, now)
    except BudgetExceeded:
        return "budget"
    return None


@handles
async def end_attempt(cmd: EndAttempt, store: Store, clock: Clock) -> AttemptState:
    generation, now = await store.get(Generation, cmd.generation_id), clock()
    budget, before = await budget_of(store, generation), generation.cost
    generation.end_attempt(
        cmd.attempt,
        cmd.failure,
        input_tokens=cmd.input_tokens,
        output_tokens=cmd.output_tokens,
        is_try=cmd.is_try,
        now=now,
    )
    settle_up(budget, generation, before, now)
    store.save(generation, budget)
    return AttemptState(None, generation.is_open)


@handles
async def record_answer(cmd: RecordAnswer, store: Store, actor: Actor, clock: Clock, models: Models) -> None:
    generation, now = await store.get(Generation, cmd.generation_id), clock()
    budget, before = await budget_of(store, generation), generation.cost
    document = await find(store, Document, generation.document_id)
    price = price_of(generation, cmd.model, models)
    answer = ModelAnswer(
        cmd.text, cmd.model, price, cmd.ending, cmd.input_tokens, cmd.output_tokens, is_sandbox=cmd.is_sandbox
    )
    generation.answer(cmd.attempt, answer, document, by=actor, now=now)
    settle_up(budget, generation, before, now)
    store.save(generation, budget, *([] if document is None else [document]))


def price_of(generation: Generation, model: str, models: Models) -> TokenPrice:
    """Return the price of the model that has answered."""
    return generation.price if model == generation.model else choose(models, model).price


@handles
async def expire_generation(cmd: ExpireGeneration, store: Store, clock: Clock) -> None:
    generation, now = await store.get(Generation, cmd.generation_id), clock()
    budget, before = await budget_of(store, generation), generation.cost
    generation.expire(now=now)
    settle_up(budget, generation, before, now)
    store.save(generation, budget)
