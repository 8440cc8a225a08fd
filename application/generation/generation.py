"""Use cases of generations: ask for a text, cancel, ask again, accept or discard a draft."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from application.commands import Command, handles
from application.content.document import begin_use, load_document
from application.generation.asking import Asking
from application.generation.choosing import choose
from application.generation.paying import budget_of, settle_up
from application.generation.queueing import GenerateText
from application.generation.sources import read_sources
from application.held_subjects import require_not_held
from application.ports import Actor, Clock, EventStore, JobQueue, Store, Unavailable
from application.views import view_maker
from domain.billing.subscription import Plan
from domain.content.document import Document
from domain.generation.answer import AnswerEnding
from domain.generation.deletion import delete
from domain.generation.drafts import accept, discard
from domain.generation.events import DraftReason, Failure, RefusalReason
from domain.generation.generation import GENERATION, BatchState, Generation, Result, Status
from domain.generation.placement import Placement, Target
from domain.generation.requesting import Wish
from domain.generation.sources import SourceDocument
from domain.generation.urgency import Urgency
from domain.kernel import NotFound, PartyKind


@dataclass(frozen=True, slots=True)
class GenerationView:
    """A generation as its asker sees it. Costs are micro-dollars; `estimated_micros`: the most that one attempt costs.

    `stand_in`: the cheaper model that is to write instead of `model`, as the soft budget is used up. `fallback`: the
    one that the last attempt has asked, as the other did not answer. `answered_by`: the model that wrote the text;
    `is_sandbox`: it was no model at all.
    `own_key`: the payer's own key pays for it, so it costs no money here. `failure`: why there is no text; `refused`:
    what was refused, and `categories`: those for which moderation did; `explanation` says it in words, and what to do.
    `text`: the text so far, of several the first or the accepted one; of a discarded draft it is empty. `texts`: those
    of all `variants` so far; one that failed or was refused is empty. `variant_refusals`: what was refused of some of
    them, one for each; empty: nothing, or all. `draft_reason`: why the text is a draft.
    `revision`, `start`, `end`: the version of the document that has the text, and the characters of its content that
    are the text.
    `sources`: the documents to draw on; the prompt had all of them.
    `place`: while it is queued, about how many generations come until this one, itself included; 1,000 is that many or
    more, None is not known, or it is for a batch. The answer to a repeated request is as the first one was, but `place`
    is of now: None if it waits no more. `plan`: of the payer when it was requested; it decides how soon the turn comes.
    `urgency`: how soon the text is wanted. Of one for a batch, `batch` says whether it waits for one or is in it, and
    `latest_at` when the text is there at the latest, or given up; both are None otherwise.
    """

    id: UUID
    document_id: UUID
    payer_kind: PartyKind
    payer_id: UUID
    plan: Plan
    status: Status
    urgency: Urgency
    batch: BatchState | None
    latest_at: datetime | None
    result: Result | None
    draft_reason: DraftReason | None
    own_key: bool
    failure: Failure | None
    refused: RefusalReason | None
    categories: list[str]
    explanation: str | None
    ending: AnswerEnding | None
    model: str
    stand_in: str | None
    fallback: str | None
    answered_by: str | None
    is_sandbox: bool
    target: Target
    target_version: int | None
    target_start: int | None
    target_end: int | None
    sources: list[SourceDocument]
    prompt: str
    variants: int
    text: str
    texts: list[str]
    variant_refusals: list[RefusalReason | None]
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
    place: int | None = None


def _require_reader(generation: Generation, actor: Actor | None, now: datetime) -> None:
    if actor is None:
        GENERATION.require("read", None)
    else:
        generation.require("read", actor)


generation_view = view_maker(GenerationView, Generation, require_reader=_require_reader, not_of_state=("place",))


async def with_place(view: GenerationView, queue: JobQueue) -> GenerationView:
    """Return the view of a generation with its place in the queue, if it is known."""
    if view.status != "queued" or view.urgency == "batch":
        return view
    try:
        return replace(view, place=await queue.place(_job_of(view)))
    except Unavailable:
        return view


async def with_place_now(view: GenerationView, queue: JobQueue, events: EventStore) -> GenerationView:
    """Return the view of a repeated request with the place of now. The view is of then; it may wait no more."""
    generation = await events.load(Generation, view.id)
    return await with_place(view, queue) if generation is not None and generation.status == "queued" else view


def _job_of(view: GenerationView) -> GenerateText:
    """Return the job of any round: they have the same place."""
    model = view.stand_in or view.model
    return GenerateText(
        generation_id=view.id, round=1, payer_id=view.payer_id, model=model, plan=view.plan, own_key=view.own_key
    )


class RequestGeneration(Command[GenerationView]):
    """Ask for a text for a document, or for several to choose from. `model`: None is the default one."""

    document_id: UUID
    prompt: str
    variables: dict[str, str]
    placement: Placement
    model: str | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    variants: int = 1
    sources: Sequence[SourceDocument] = ()
    urgency: Urgency = "now"


class CancelGeneration(Command[GenerationView]):
    """End a generation that has no text yet."""

    id: UUID


class RetryGeneration(Command[GenerationView]):
    """Ask again for the text of a generation that failed, is dead or was cancelled, or whose draft was discarded."""

    id: UUID


class AcceptDraft(Command[GenerationView]):
    """Write a draft into the document. `placement`: None is the place that was asked for, or the end."""

    id: UUID
    placement: Placement | None = None
    variant: int = 1


class DiscardDraft(Command[GenerationView]):
    """Throw all drafts away."""

    id: UUID


class DeleteGeneration(Command[None]):
    """Erase a generation that has written nothing, with its prompt."""

    id: UUID


@handles
async def request_generation(cmd: RequestGeneration, store: Store, asking: Asking) -> GenerationView:
    wish = _wish_of(cmd)
    model, now = choose(asking.models, cmd.model, cmd.urgency), asking.clock()
    document = await load_document(store, cmd.document_id, "generate", asking.actor, now)
    read = await read_sources(store, wish.sources, asking.actor, now, loaded=document)
    payment = await asking.payment_for(store, document)
    generation = await asking.ask(payment, document, wish, model, asking.new_id(), read.texts)
    store.save(generation, payment.budget, *read.documents)
    return generation_view(generation)


def _wish_of(cmd: RequestGeneration) -> Wish:
    """Return what is asked for. Raises as `Wish.require_usable`."""
    wish = Wish(
        cmd.prompt,
        cmd.variables,
        cmd.placement,
        cmd.max_output_tokens,
        cmd.temperature,
        cmd.variants,
        cmd.sources,
        cmd.urgency,
    )
    wish.require_usable()
    return wish


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
async def retry_generation(cmd: RetryGeneration, store: Store, asking: Asking) -> GenerationView:
    generation, now = await load_own(store, cmd.id, asking.actor), asking.clock()
    document = await store.get(Document, generation.document_id)
    document.require("generate", asking.actor)
    read = await read_sources(store, generation.sources, asking.actor, now, loaded=document)
    payment = await asking.payment_for(store, document)
    await asking.ask_again(payment, document, generation, read.texts)
    store.save(generation, payment.budget, *read.documents)
    return generation_view(generation)


@handles
async def accept_draft(cmd: AcceptDraft, store: Store, actor: Actor, clock: Clock) -> GenerationView:
    generation = await load_own(store, cmd.id, actor)
    document, now = await store.get(Document, generation.document_id), clock()
    begin_use(document, "edit", actor, now)
    accept(generation, document, cmd.placement, variant=cmd.variant, by=actor, now=now)
    store.save(generation, document)
    return generation_view(generation)


@handles
async def discard_draft(cmd: DiscardDraft, store: Store, actor: Actor, clock: Clock) -> GenerationView:
    generation = await load_own(store, cmd.id, actor)
    discard(generation, by=actor, now=clock())
    store.save(generation)
    return generation_view(generation)


@handles
async def delete_generation(cmd: DeleteGeneration, store: Store, actor: Actor, clock: Clock) -> None:
    generation = await load_own(store, cmd.id, actor)
    await require_not_held(store, actor.user_id)
    delete(generation, by=actor, now=clock())
    store.save(generation)


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
