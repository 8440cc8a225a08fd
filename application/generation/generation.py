"""Use cases of generations: ask for a text, cancel, ask again, accept or discard a draft."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import Command, handles
from application.content.document import begin_use, load_document
from application.generation.canary import canary_of
from application.generation.paying import budget_of, reserve, settle_up
from application.generation.prompting import prompt_messages, prompt_of
from application.generation.provider_key import choose_key
from application.idempotency import KeyedHash
from application.ports import Actor, Clock, EventStore, Models, NewId, Store, TokenCounter
from application.views import view_maker
from domain.billing.budget import month_of
from domain.content.document import Document
from domain.generation.answer import AnswerEnding
from domain.generation.events import DraftReason, Failure, RefusalReason
from domain.generation.generation import GENERATION, Generation, Result, Status
from domain.generation.placement import Placement, Target
from domain.generation.pricing import TokenPrice
from domain.generation.requesting import ModelChoice, Quote, Wish, request, request_again
from domain.kernel import NotFound, PartyKind


@dataclass(frozen=True, slots=True)
class GenerationView:
    """A generation as its asker sees it. Costs are micro-dollars; `estimated_micros`: the most that one attempt costs.

    `answered_by`: the model that wrote the text, which may stand in for `model`; `is_sandbox`: it was no model at all.
    `own_key`: the payer's own key pays for it, so it costs no money here. `failure`: why there is no text; `refused`:
    what was refused, and `categories`: those for which moderation did; `explanation` says it in words, and what to do.
    `text`: the text so far; of a discarded draft it is empty. `draft_reason`: why the text is a draft. `revision`,
    `start`, `end`: the version of the document that has the text, and the characters of its content that are the text.
    """

    id: UUID
    document_id: UUID
    payer_kind: PartyKind
    payer_id: UUID
    status: Status
    result: Result | None
    draft_reason: DraftReason | None
    own_key: bool
    failure: Failure | None
    refused: RefusalReason | None
    categories: list[str]
    explanation: str | None
    ending: AnswerEnding | None
    model: str
    answered_by: str | None
    is_sandbox: bool
    target: Target
    target_version: int | None
    target_start: int | None
    target_end: int | None
    prompt: str
    text: str
    temperature: float | None
    max_output_tokens: int
    estimated_tokens: int
    estimated_micros: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
    attempt: int
    revision: int | None
    start: int | None
    end: int | None
    created_at: datetime
    updated_at: datetime


def _require_reader(generation: Generation, actor: Actor | None, now: datetime) -> None:
    if actor is None:
        GENERATION.require("read", None)
    else:
        generation.require("read", actor)


generation_view = view_maker(GenerationView, Generation, require_reader=_require_reader)


class RequestGeneration(Command[GenerationView]):
    """Ask for a text for a document. `model`: None is the default one."""

    document_id: UUID
    prompt: str
    variables: dict[str, str]
    placement: Placement
    model: str | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None


class CancelGeneration(Command[GenerationView]):
    """End a generation that has no text yet."""

    id: UUID


class RetryGeneration(Command[GenerationView]):
    """Ask again for the text of a generation that failed or was cancelled."""

    id: UUID


class AcceptDraft(Command[GenerationView]):
    """Write a draft into the document."""

    id: UUID
    placement: Placement


class DiscardDraft(Command[GenerationView]):
    """Throw a draft away."""

    id: UUID


@handles
async def request_generation(
    cmd: RequestGeneration,
    store: Store,
    actor: Actor,
    clock: Clock,
    new_id: NewId,
    models: Models,
    tokens: TokenCounter,
    digests: KeyedHash,
) -> GenerationView:
    wish = Wish(cmd.prompt, cmd.variables, cmd.placement, cmd.max_output_tokens, cmd.temperature)
    wish.require_usable()
    model, now = choose(models, cmd.model), clock()
    document = await load_document(store, cmd.document_id, "generate", actor, now)
    id = new_id()
    messages = prompt_messages(
        canary_of(digests, id), document.title, document.content, wish.prompt, wish.variables, wish.placement
    )
    digest = digests(b"prompt", actor.user_id.bytes, cmd.prompt.encode()).hex()
    quote = Quote(digest, await tokens.count(messages), month_of(now))
    generation = request(document, wish, model, quote, id=id, by=actor, now=now)
    await choose_key(store, generation, now)
    store.save(generation, await reserve(store, generation, now), document)
    return generation_view(generation)


@handles
async def cancel_generation(cmd: CancelGeneration, store: Store, actor: Actor, clock: Clock) -> GenerationView:
    generation = await load_own(store, cmd.id, actor)
    before = generation.cost
    generation.cancel(by=actor, now=clock())
    budget = await budget_of(store, generation)
    settle_up(budget, generation, before, clock())
    store.save(generation, budget)
    return generation_view(generation)


@handles
async def retry_generation(
    cmd: RetryGeneration,
    store: Store,
    actor: Actor,
    clock: Clock,
    models: Models,
    tokens: TokenCounter,
    digests: KeyedHash,
) -> GenerationView:
    generation = await load_own(store, cmd.id, actor)
    document, now = await store.get(Document, generation.document_id), clock()
    document.require("generate", actor)
    prompt = prompt_of(generation, document, canary_of(digests, generation.id))
    count = await tokens.count(prompt.messages)
    quote = Quote(generation.prompt_digest, count, month_of(now))
    request_again(generation, document, choose(models, generation.model), quote, by=actor, now=now)
    await choose_key(store, generation, now)
    store.save(generation, await reserve(store, generation, now))
    return generation_view(generation)


@handles
async def accept_draft(cmd: AcceptDraft, store: Store, actor: Actor, clock: Clock) -> GenerationView:
    generation = await load_own(store, cmd.id, actor)
    document, now = await store.get(Document, generation.document_id), clock()
    begin_use(document, "edit", actor, now)
    generation.accept(document, cmd.placement, by=actor, now=now)
    store.save(generation, document)
    return generation_view(generation)


@handles
async def discard_draft(cmd: DiscardDraft, store: Store, actor: Actor, clock: Clock) -> GenerationView:
    generation = await load_own(store, cmd.id, actor)
    generation.discard(by=actor, now=clock())
    store.save(generation)
    return generation_view(generation)


async def load_own(store: Store, id: UUID, actor: Actor) -> Generation:
    """Load a generation of the actor. Raises `NotFound`."""
    generation = await store.get(Generation, id)
    generation.require("change", actor)
    return generation


async def read_generation(events: EventStore, actor: Actor, id: UUID) -> Generation:
    """Return a generation as the log has it now. Raises `NotFound`: it does not exist for the actor."""
    generation = await events.load(Generation, id)
    if generation is None:
        raise NotFound("There is no such generation.")
    generation.require("read", actor)
    return generation


def choose(models: Models, name: str | None) -> ModelChoice:
    """Return a model of the catalogue; None: the default one. Raises `UnknownModel`."""
    found = models.default if name is None else models.find(name)
    price = TokenPrice(found.input_price, found.output_price)
    takes_temperature = "temperature" in found.capabilities
    return ModelChoice(found.name, price, found.context_window, found.max_output_tokens, takes_temperature)
