"""Generations: texts that a language model writes for a document, at the request of a person who may edit it.

A generation waits for a worker, is tried until there is a text, and ends as done, failed, dead or cancelled. Its cost
is reserved in the budget of its payer when it is requested, and settled when it ends: commands save the budget with it
(`domain/billing/budget.py`). Costs are micro-dollars.

Only the asker sees the prompt and the text. A text that was written is a passage of the document, too.
"""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from domain.access import Person, Resource, Rule
from domain.content.document import Document
from domain.generation import events
from domain.generation.answer import AnswerEnding, ModelAnswer
from domain.generation.events import FINAL, DraftReason, Failure, RefusalReason
from domain.generation.explaining import explanation_of
from domain.generation.obstacles import draft_reason_of, is_open_to
from domain.generation.placement import Placement, Target, WrittenPassage, write
from domain.generation.pricing import Cost, TokenPrice
from domain.generation.refusals import NoDraft, NotWaiting
from domain.kernel import FirstEvent, Party, PartyKind, Personal, Refusal, Root

Status = Literal["queued", "running", "done", "failed", "dead", "cancelled"]
Result = Literal["written", "draft", "discarded"]

MAX_TRIES = 6
"""The number of tries of one request."""

RUNNING_TIME = timedelta(minutes=20)
"""The longest time of an attempt."""
WAITING_TIME = timedelta(hours=25)
"""The longest time that a job waits, for its first attempt or for the next one."""

GENERATION = Resource(
    "generation",
    roles=("asker",),
    advice="the asker",
    rules={
        "list": Rule("anyone", "documents:read"),
        "read": Rule("asker", "documents:read"),
        "change": Rule("asker", "documents:write"),
    },
)
"""Only the user who asked for a generation sees it."""


class Generation(Root):
    """One request of a text, its attempts, and what became of it."""

    TOPIC = "generation"
    snapshot_version = 2

    class Requested(FirstEvent):
        TOPIC = "generation.requested"
        document_id: UUID
        asker_id: UUID
        payer_kind: PartyKind
        payer_id: UUID
        month: str
        model: str
        input_price: int
        output_price: int
        prompt: Personal[str]
        prompt_length: int
        prompt_digest: str
        variable_names: Personal[list[str]]
        variable_values: Personal[list[str]]
        estimated_tokens: int
        max_output_tokens: int
        target: Target
        target_version: int | None = None
        target_start: int | None = None
        target_end: int | None = None
        temperature: float | None = None

        def apply(self, aggregate: "Generation") -> None:
            self.assign(aggregate)
            aggregate.status = "queued"
            aggregate.round = 1
            aggregate.attempt = aggregate.tries = 0
            aggregate.attempt_is_open = False
            aggregate.failure = aggregate.result = aggregate.draft_reason = None
            aggregate.ending = aggregate.answered_by = None
            aggregate.text = ""
            aggregate.refused, aggregate.categories = None, []
            aggregate.own_key = False
            aggregate.revision = aggregate.start = aggregate.end = None
            aggregate.is_sandbox = False
            aggregate.input_tokens = aggregate.output_tokens = aggregate.cost_micros = 0

    class OwnKeyChosen(events.OwnKeyChosen): ...

    class AttemptStarted(events.AttemptStarted): ...

    class AttemptEnded(events.AttemptEnded): ...

    class Answered(events.TextAnswered): ...

    class DraftAccepted(events.DraftAccepted): ...

    class DraftDiscarded(events.DraftDiscarded): ...

    class TextRefused(events.TextRefused): ...

    class Failed(events.GenerationFailed): ...

    class GivenUp(events.GivenUp): ...

    class Cancelled(events.GenerationCancelled): ...

    class RequestedAgain(events.RequestedAgain): ...

    class Erased(Root.Event):
        TOPIC = "generation.erased"
        revokes = ("generation",)
        erases = True

        def apply(self, aggregate: "Generation") -> None:
            aggregate.erased = True

    document_id: UUID
    asker_id: UUID
    payer_kind: PartyKind
    payer_id: UUID
    month: str
    model: str
    input_price: int
    output_price: int
    prompt: str
    prompt_length: int
    prompt_digest: str
    variable_names: list[str]
    variable_values: list[str]
    own_key: bool
    """Whether the payer's own key of the provider pays for this round of tries."""
    estimated_tokens: int
    max_output_tokens: int
    target: Target
    target_version: int | None
    target_start: int | None
    target_end: int | None
    temperature: float | None
    status: Status
    round: int
    """How often the generation was requested. A job belongs to one round."""
    attempt: int
    """The number of the last attempt, from 1; 0: none has started."""
    tries: int
    """The number of attempts since the generation was last requested."""
    attempt_is_open: bool
    failure: Failure | None
    refused: RefusalReason | None
    categories: list[str]
    result: Result | None
    draft_reason: DraftReason | None
    ending: AnswerEnding | None
    answered_by: str | None
    is_sandbox: bool
    text: str
    revision: int | None
    start: int | None
    end: int | None
    input_tokens: int
    output_tokens: int
    cost_micros: int

    @property
    def payer(self) -> Party:
        """The user or team whose budget pays."""
        return Party(self.payer_kind, self.payer_id)

    @property
    def placement(self) -> Placement:
        """Where the text goes."""
        return Placement(self.target, self.target_version, self.target_start, self.target_end)

    @property
    def price(self) -> TokenPrice:
        """The price of the model when the generation was last requested. What the payer's own key pays is free."""
        return TokenPrice(0, 0) if self.own_key else TokenPrice(self.input_price, self.output_price)

    @property
    def estimated_micros(self) -> int:
        """The highest cost of one attempt, by the estimated tokens of the prompt."""
        return self.price.cost(self.estimated_tokens, self.max_output_tokens)

    @property
    def cost(self) -> Cost:
        """What all attempts have cost until now."""
        return Cost(self.input_tokens + self.output_tokens, self.cost_micros)

    @property
    def is_open(self) -> bool:
        """Whether a worker is to write the text."""
        return self.status in ("queued", "running") and not self.erased

    @property
    def explanation(self) -> str | None:
        """Why there is no text, and what to do next."""
        return explanation_of(self.refused or self.failure, self.categories)

    @property
    def variables_by_name(self) -> dict[str, str]:
        """The values of the variables of the prompt."""
        return dict(zip(self.variable_names, self.variable_values, strict=True))

    def require(self, action: str, person: Person) -> None:
        """Refuse an action of a person who is not the asker. Raises `NotFound`."""
        is_asker = person.user_id == self.asker_id and not self.erased
        GENERATION.require(action, "asker" if is_asker else None)

    def is_due(self, round: int) -> bool:
        """Whether an attempt of a round is to start."""
        return self.is_open and not self.attempt_is_open and round == self.round

    def start_attempt(
        self, document: Document | None, *, prompt_tokens: int, obstacle: Failure | None, by: Person, now: datetime
    ) -> int | None:
        """Start the next attempt and return its number; None: the generation has failed.

        `document`: None if it does not exist for the asker, `by`. `obstacle`: what else forbids another attempt.
        """
        failure = obstacle if is_open_to(document, by) else "no_access"
        if failure is not None:
            self._end(failure, now)
            return None
        attempt = self.attempt + 1
        self.trigger_event(self.AttemptStarted, now=now, attempt=attempt, prompt_tokens=prompt_tokens)
        return attempt

    def end_attempt(
        self,
        attempt: int,
        failure: Failure,
        *,
        input_tokens: int,
        output_tokens: int,
        now: datetime,
        is_try: bool = True,
        price: TokenPrice | None = None,
    ) -> None:
        """End an attempt without an answer. It is the last one if a repeat cannot help.

        An attempt that has ended already causes no event. `is_try`: false if the provider was not asked, or
        was stopped by us, so that it is none of the tries. `price`: that of the model that answered, if it was another.
        """
        if self.erased or attempt != self.attempt or not self.attempt_is_open:
            return
        self.trigger_event(
            self.AttemptEnded,
            now=now,
            attempt=attempt,
            failure=failure,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            is_try=is_try,
            cost_micros=(price or self.price).cost(input_tokens, output_tokens),
        )
        if self.is_open and (failure in FINAL or self.tries >= MAX_TRIES):
            self._end(failure, now)

    def answer(
        self, attempt: int, answer: ModelAnswer, document: Document | None, *, by: Person, now: datetime
    ) -> None:
        """Write the text of an attempt into the document, or keep it as a draft.

        The text of a generation that was cancelled meanwhile is paid for, but not kept. Does nothing if the attempt is
        not the one under way: another worker has taken over.
        """
        if attempt != self.attempt or not self.attempt_is_open:
            return
        if not self.is_open:
            self.end_attempt(
                attempt,
                "cancelled",
                input_tokens=answer.input_tokens,
                output_tokens=answer.output_tokens,
                now=now,
                price=answer.price,
            )
            return
        passage, reason = self._place(document, answer.text, by, now)
        self.trigger_event(
            self.Answered,
            now=now,
            attempt=attempt,
            model=answer.model,
            ending=answer.ending,
            text=answer.text,
            text_length=len(answer.text),
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            cost_micros=answer.price.cost(answer.input_tokens, answer.output_tokens),
            revision=None if passage is None else passage.revision,
            start=None if passage is None else passage.start,
            end=None if passage is None else passage.end,
            draft_reason=reason,
            is_sandbox=answer.is_sandbox,
        )

    def accept(self, document: Document, placement: Placement, *, by: Person, now: datetime) -> None:
        """Write the draft into the document.

        Raises:
            NotFound, RoleTooLow: the person is not the asker, or may not edit the document.
            NoDraft: there is none.
            UnusablePlacement, PassageGone, UnusableText, DocumentIsTrashed, DocumentIsArchived: as `write`.
        """
        self.require("change", by)
        self._require_draft()
        document.require_editable(by)
        passage = write(document, placement.usable_in(document), self.text, by=by, now=now)
        self.trigger_event(self.DraftAccepted, now=now, revision=passage.revision, start=passage.start, end=passage.end)

    def discard(self, *, by: Person, now: datetime) -> None:
        """Throw the draft away. A second time causes no event.

        Raises:
            NotFound: the person is not the asker.
            NoDraft: there is none.
        """
        self.require("change", by)
        if self.result != "discarded":
            self._require_draft()
            self.trigger_event(self.DraftDiscarded, now=now)

    def cancel(self, *, by: Person, now: datetime) -> None:
        """End the generation. A second time causes no event.

        Raises:
            NotFound: the person is not the asker.
            NotWaiting: it has ended.
        """
        self.require("change", by)
        if self.status == "cancelled":
            return
        if not self.is_open:
            raise NotWaiting(f"This generation is {self.status}; only one that is queued or running can be cancelled.")
        self.trigger_event(self.Cancelled, now=now)

    def expire(self, *, now: datetime) -> None:
        """Give the generation up if no worker has ended it in time."""
        patience = WAITING_TIME if self.status == "queued" else RUNNING_TIME
        if not self.is_open or now - self.modified_on < patience:
            return
        self.end_attempt(self.attempt, "lost", input_tokens=self.estimated_tokens, output_tokens=0, now=now)
        if self.is_open:
            self._end("lost", now)

    def erase(self, *, now: datetime) -> None:
        """Erase prompt and text. A second erasure causes no event."""
        if not self.erased:
            self.trigger_event(self.Erased, now=now)

    def _end(self, failure: Failure, now: datetime) -> None:
        kind = self.Failed if failure in FINAL else self.GivenUp
        self.trigger_event(kind, now=now, failure=failure)

    def _place(
        self, document: Document | None, text: str, by: Person, now: datetime
    ) -> tuple[WrittenPassage | None, DraftReason | None]:
        """Return where the text was written, or why it is a draft."""
        if self.target == "draft":
            return None, "asked"
        if document is None:
            return None, "no_access"
        try:
            return write(document, self.placement, text, by=by, now=now), None
        except Refusal as refusal:
            return None, draft_reason_of(refusal)

    def _require_draft(self) -> None:
        if self.result != "draft":
            raise NoDraft("This generation has no draft: read its `result`.")
