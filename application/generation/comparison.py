"""Use case: compare what two models, or two prompts, make of the same document and variables."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import Command, handles
from application.content.comparison import WordChange, changed_words
from application.content.document import load_document
from application.generation.asking import Asking
from application.generation.choosing import choose
from application.ports import Actor, EventStore, Store
from domain.content.comparison import unified_diff
from domain.generation.comparison import COMPARISON, ComparedPair
from domain.generation.events import Failure
from domain.generation.generation import Generation, Status
from domain.generation.placement import Placement
from domain.generation.requesting import Wish
from domain.kernel import Root


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its prompt, and which model is asked; None: the default one."""

    prompt: str
    model: str | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class ComparisonRequest:
    """A comparison that waits for its texts. `estimated_micros`: the most that one attempt of both costs."""

    id: UUID
    left_id: UUID
    right_id: UUID
    estimated_micros: int


class CompareTexts(Command[ComparisonRequest]):
    """Ask for two texts for a document, as drafts, with the same variables."""

    document_id: UUID
    variables: dict[str, str]
    left: Side
    right: Side


@dataclass(frozen=True, slots=True)
class ComparedText:
    """One of the two texts, with what it has cost in micro-dollars.

    `seconds`: from the start of the attempt that gave the text to its end; None: there is no text.
    """

    generation_id: UUID
    status: Status
    failure: Failure | None
    model: str
    stand_in: str | None
    answered_by: str | None
    is_sandbox: bool
    prompt: str
    text: str
    input_tokens: int
    output_tokens: int
    cost_micros: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """Two texts side by side. `changes`: the words that differ, from left to right; None: a text is missing yet."""

    id: UUID
    document_id: UUID
    variables: dict[str, str]
    left: ComparedText
    right: ComparedText
    changes: list[WordChange] | None


@handles
async def compare_texts(cmd: CompareTexts, store: Store, asking: Asking) -> ComparisonRequest:
    wishes = [
        Wish(side.prompt, cmd.variables, Placement("draft"), side.max_output_tokens, side.temperature)
        for side in (cmd.left, cmd.right)
    ]
    for wish in wishes:
        wish.require_usable()
    models = [choose(asking.models, side.model) for side in (cmd.left, cmd.right)]
    id, now = asking.new_id(), asking.clock()
    pair = ComparedPair.of(id)
    document = await load_document(store, cmd.document_id, "generate", asking.actor, now)
    payment = await asking.payment_for(store, document)
    left = await asking.ask(payment, document, wishes[0], models[0], pair.left_id)
    right = await asking.ask(payment, document, wishes[1], models[1], pair.right_id)
    store.save(left, right, payment.budget, document)
    return ComparisonRequest(id, left.id, right.id, left.estimated_micros + right.estimated_micros)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The generations of a comparison, each with its events."""

    id: UUID
    left: Generation
    right: Generation
    left_events: list[Root.Event]
    right_events: list[Root.Event]

    def view(self) -> ComparisonView:
        """Return both texts, with the words that differ. Takes long for long texts."""
        left, right = self.left, self.right
        return ComparisonView(
            id=self.id,
            document_id=left.document_id,
            variables=left.variables_by_name,
            left=_text(left, self.left_events),
            right=_text(right, self.right_events),
            changes=changed_words(left.text, right.text) if left.text and right.text else None,
        )

    def unified(self) -> str:
        """Return a unified diff of the texts."""
        return unified_diff(self.left.text, self.right.text, "left", "right")


async def comparison(events: EventStore, actor: Actor, id: UUID) -> Comparison:
    """Return a comparison, as the log has it now.

    Raises:
        NotFound: it does not exist for the actor.
    """
    pair = ComparedPair.of(id)
    left, right = await _own(events, actor, pair.left_id), await _own(events, actor, pair.right_id)
    return Comparison(id, left, right, await _events(events, left), await _events(events, right))


async def _own(events: EventStore, actor: Actor, id: UUID) -> Generation:
    generation = await events.load(Generation, id)
    is_own = generation is not None and generation.asker_id == actor.user_id and not generation.erased
    COMPARISON.require("read", "asker" if is_own else None)
    assert generation is not None
    return generation


async def _events(events: EventStore, generation: Generation) -> list[Root.Event]:
    return await events.events([(generation.id, version) for version in range(1, generation.version + 1)])


def _text(generation: Generation, events: Iterable[Root.Event]) -> ComparedText:
    return ComparedText(
        generation_id=generation.id,
        status=generation.status,
        failure=generation.failure,
        model=generation.model,
        stand_in=generation.stand_in,
        answered_by=generation.answered_by,
        is_sandbox=generation.is_sandbox,
        prompt=generation.prompt,
        text=generation.text,
        input_tokens=generation.input_tokens,
        output_tokens=generation.output_tokens,
        cost_micros=generation.cost_micros,
        seconds=_seconds(events) if generation.status == "done" else None,
    )


def _seconds(events: Iterable[Root.Event]) -> float | None:
    """Return how long the last text took."""
    started: datetime | None = None
    seconds: float | None = None
    for event in events:
        if isinstance(event, Generation.AttemptStarted):
            started = event.timestamp
        elif isinstance(event, Generation.Answered) and started is not None:
            seconds = (event.timestamp - started).total_seconds()
    return seconds
