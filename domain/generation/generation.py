"""Generations: texts that a language model writes for a document, at the request of a person who may edit it.

A generation waits for a worker, is tried until there is a text, and ends as done, failed, dead or cancelled. Its cost
is reserved in the budget of its payer when it is requested, and settled when it ends: commands save the budget with it
(`domain/billing/budget.py`). Costs are micro-dollars.

Only the asker sees the prompt and the text. A text that was written is a passage of the document, too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from domain.access import Person, Resource, Rule
from domain.billing.subscription import Plan
from domain.content.document import Document
from domain.generation import events
from domain.generation.answer import AnswerEnding
from domain.generation.events import FINAL, DraftReason, Failure, RefusalReason
from domain.generation.explaining import explanation_of
from domain.generation.obstacles import is_open_to
from domain.generation.placement import Placement, Target
from domain.generation.pricing import Cost, Fallback, TokenPrice
from domain.generation.refusals import NotWaiting
from domain.generation.sources import SourceDocument
from domain.generation.urgency import BATCH_WINDOW, Urgency
from domain.kernel import Party, PartyKind, Root

Status = Literal["queued", "running", "done", "failed", "dead", "cancelled"]
Result = Literal["written", "draft", "discarded"]
BatchState = Literal["waiting", "submitted"]
"""The text waits for the next batch of its model; or the provider has it in a batch."""

MAX_TRIES = 6
"""The number of tries of one request: the first one, and five repeats."""

RUNNING_TIME = timedelta(minutes=20)
"""The longest time of an attempt."""
WAITING_TIME = timedelta(hours=25)
"""The longest time that a job waits, for its first attempt or for the next one."""

UNCOUNTED: frozenset[Failure] = frozenset({"lost", "cut"})
"""Failures after which the provider's count never came, of events that do not say it themselves (`uncounted`)."""

WITHHELD: frozenset[RefusalReason | None] = frozenset({"unsafe_text", "leaked_rules"})
"""Refusals of texts that were written. Watchers have seen parts of them."""

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
    snapshot_version = 6

    class Requested(events.TextRequested): ...

    class OwnKeyChosen(events.OwnKeyChosen): ...

    class AttemptStarted(events.AttemptStarted): ...

    class AttemptEnded(events.AttemptEnded): ...

    class Answered(events.TextAnswered): ...

    class VariantsAnswered(events.VariantsAnswered): ...

    class DraftAccepted(events.DraftAccepted): ...

    class DraftDiscarded(events.DraftDiscarded): ...

    class TextRefused(events.TextRefused): ...

    class Failed(events.GenerationFailed): ...

    class GivenUp(events.GivenUp): ...

    class Cancelled(events.GenerationCancelled): ...

    class StandInChosen(events.StandInChosen): ...

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
    """The model that was asked for."""
    stand_in: str | None
    """The cheaper model that is to write instead, as the soft budget is used up."""
    fallback: str | None
    """The model that the last attempt has asked, if it was another one than is to write."""
    fallback_prices: list[int]
    """Its prices of prompt and answer."""
    own_key: bool
    """Whether the payer's own key of the provider pays for this round of tries."""
    input_price: int
    output_price: int
    prompt: str
    prompt_length: int
    prompt_digest: str
    variable_names: list[str]
    variable_values: list[str]
    estimated_tokens: int
    max_output_tokens: int
    target: Target
    target_version: int | None
    target_start: int | None
    target_end: int | None
    temperature: float | None
    plan: Plan
    variants: int
    """The number of texts that were asked for."""
    source_documents: list[str]
    source_versions: list[int]
    latest_at: datetime | None
    """The text is for a batch, and is there until then, or given up; None: it is wanted now."""
    batch_id: UUID | None
    """The id of ours of the batch that the attempt under way is in."""
    status: Status
    round: int
    """How often the generation was requested. A job belongs to one round."""
    attempt: int
    """The number of the last attempt, from 1; 0: none has started."""
    earlier_attempts: int
    """The number of attempts of earlier rounds. What was kept of their texts is not shown."""
    tries: int
    """The number of attempts since the generation was last requested."""
    attempt_is_open: bool
    failure: Failure | None
    refused: RefusalReason | None
    categories: list[str]
    variant_refusals: list[RefusalReason | None]
    """What was refused of the texts of the last attempt, one for each variant; empty: nothing was, or all were."""
    result: Result | None
    draft_reason: DraftReason | None
    texts: list[str]
    """One for each variant; empty: there are none yet, or they were discarded."""
    models: list[str | None]
    """Those that wrote the texts."""
    endings: list[AnswerEnding | None]
    variant: int
    """The text that is shown first, from 1: of several, that which was accepted."""
    is_sandbox: bool
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
    def writer(self) -> str:
        """The model that is to write."""
        return self.stand_in or self.model

    @property
    def price(self) -> TokenPrice:
        """The price of this model when the generation was last requested. What the payer's own key pays is free."""
        return TokenPrice(0, 0) if self.own_key else TokenPrice(self.input_price, self.output_price)

    @property
    def asked_model(self) -> str:
        """The model that the last attempt has asked, and that its cost is for."""
        return self.fallback or self.writer

    @property
    def asked_price(self) -> TokenPrice:
        """The price of this model."""
        return TokenPrice(*self.fallback_prices) if self.fallback_prices else self.price

    @property
    def estimated_micros(self) -> int:
        """The highest cost of one attempt with all its variants, by the estimated tokens of the prompt."""
        return self.variants * self.price.cost(self.estimated_tokens, self.max_output_tokens)

    @property
    def cost(self) -> Cost:
        """What all attempts have cost until now."""
        return Cost(self.input_tokens + self.output_tokens, self.cost_micros)

    @property
    def is_open(self) -> bool:
        """Whether a worker is to write the text."""
        return self.status in ("queued", "running") and not self.erased

    @property
    def urgency(self) -> Urgency:
        """How soon the text is wanted."""
        return "now" if self.latest_at is None else "batch"

    @property
    def batch(self) -> BatchState | None:
        """Whether an open one waits for a batch, or is in one; None: it has ended, or is for no batch."""
        if self.latest_at is None or not self.is_open:
            return None
        return "waiting" if self.batch_id is None else "submitted"

    @property
    def is_over_without_text(self) -> bool:
        """Whether it has ended, and left neither a text nor a draft."""
        is_over = self.status in ("failed", "dead", "cancelled") or self.result == "discarded"
        return is_over and not self.attempt_is_open

    @property
    def explanation(self) -> str | None:
        """Why there is no text, and what to do next."""
        return explanation_of(self.refused or self.failure, self.categories)

    @property
    def withdrawn(self) -> dict[int, RefusalReason | None]:
        """The variants, from 1, whose texts were written but are not given out, with what was refused, if anything."""
        if self.refused in WITHHELD:
            return dict.fromkeys(range(1, self.variants + 1), self.refused)
        missing = [number for number, text in enumerate(self.texts, start=1) if not text]
        refused = {number: each for number, each in enumerate(self.variant_refusals, start=1) if each is not None}
        return {number: refused.get(number) for number in sorted({*missing, *refused})}

    @property
    def text(self) -> str:
        """The text, of several the first or the accepted one; empty if there is none."""
        return self.text_of(self.variant)

    @property
    def answered_by(self) -> str | None:
        """The model that wrote the text."""
        return self.models[self.variant - 1] if self.models else None

    @property
    def ending(self) -> AnswerEnding | None:
        """How the text ended."""
        return self.endings[self.variant - 1] if self.endings else None

    @property
    def sources(self) -> list[SourceDocument]:
        """The documents to draw on. A text that was answered has drawn on all of them."""
        ids = map(UUID, self.source_documents)
        return [SourceDocument(*each) for each in zip(ids, self.source_versions, strict=True)]

    def text_of(self, variant: int) -> str:
        """Return the text of a variant (from 1); empty if there is none."""
        return self.texts[variant - 1] if variant <= len(self.texts) else ""

    def forget_texts(self) -> None:
        """Set the attributes of texts to those of a new round; for events."""
        self.texts, self.models, self.endings, self.variant, self.variant_refusals = [], [], [], 1, []
        self.earlier_attempts = self.attempt

    @property
    def variables_by_name(self) -> dict[str, str]:
        """The values of the variables of the prompt."""
        return dict(zip(self.variable_names, self.variable_values, strict=True))

    def require(self, action: str, person: Person) -> None:
        """Refuse an action of a person who is not the asker. Raises `NotFound`."""
        is_asker = person.user_id == self.asker_id and not self.erased
        GENERATION.require(action, "asker" if is_asker else None)

    def is_under_way(self, attempt: int) -> bool:
        """Whether an attempt has not ended; other workers may have ended it, and begun another one."""
        return self.attempt_is_open and attempt == self.attempt

    def is_due(self, round: int) -> bool:
        """Whether an attempt of a round is to start."""
        return self.is_open and not self.attempt_is_open and round == self.round

    def has_time_for_batch(self, now: datetime) -> bool:
        """Whether a batch that begins now ends in time."""
        return self.latest_at is not None and now + BATCH_WINDOW <= self.latest_at

    def start_attempt(
        self,
        document: Document | None,
        *,
        prompt_tokens: int,
        obstacle: Failure | None,
        by: Person,
        now: datetime,
        fallback: Fallback | None = None,
        batch_id: UUID | None = None,
    ) -> int | None:
        """Start the next attempt and return its number; None: the generation has failed.

        `document`: None if it does not exist for the asker, `by`. `obstacle`: what else forbids another attempt.
        `fallback`: the model that is asked, if it is not the one that is to write. `batch_id`: of the batch in which
        it is asked.
        """
        failure = obstacle if is_open_to(document, by) else "no_access"
        if failure is not None:
            self.give_up(failure, now)
            return None
        attempt = self.attempt + 1
        self.trigger_event(
            self.AttemptStarted,
            now=now,
            attempt=attempt,
            prompt_tokens=prompt_tokens,
            fallback=None if fallback is None else fallback.model,
            input_price=None if fallback is None else fallback.price.input,
            output_price=None if fallback is None else fallback.price.output,
            batch_id=batch_id,
        )
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
        micros: int | None = None,
        uncounted: Sequence[int] = (),
    ) -> None:
        """End an attempt without an answer. It is the last one if a repeat cannot help.

        An attempt that has ended already causes no event; one that was erased is still paid for. `is_try`: false if the
        provider was not asked, or was stopped by us, so that it is none of the tries. `micros`: its cost, if other
        models have answered. `uncounted`: the variants whose tokens only we have counted.
        """
        if not self.is_under_way(attempt):
            return
        self.trigger_event(
            self.AttemptEnded,
            now=now,
            attempt=attempt,
            failure=failure,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            is_try=is_try,
            cost_micros=self.asked_price.cost(input_tokens, output_tokens) if micros is None else micros,
            uncounted=[*uncounted] or None,
        )
        if self.is_open and (failure in FINAL or self.tries >= MAX_TRIES):
            self.give_up(failure, now)

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

    def erase(self, *, now: datetime) -> None:
        """Erase prompt and text. A second erasure causes no event."""
        if not self.erased:
            self.trigger_event(self.Erased, now=now)

    def give_up(self, failure: Failure, now: datetime) -> None:
        """End the generation without a text."""
        kind = self.Failed if failure in FINAL else self.GivenUp
        self.trigger_event(kind, now=now, failure=failure)
