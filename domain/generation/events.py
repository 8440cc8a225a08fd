"""Events of generations: bases of those that `Generation` names.

Here they are only written down, because a file has its bounds; all other code uses `Generation.Answered` and so on.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from domain.billing.subscription import Plan
from domain.generation.answer import AnswerEnding
from domain.generation.placement import Target
from domain.kernel import FirstEvent, PartyKind, Personal, Root

if TYPE_CHECKING:
    from domain.generation.generation import Generation

Failure = Literal["refused", "unavailable", "cut", "lost", "cancelled", "no_access", "empty", "too_long", "budget"]
"""Why there is no text: prompt or text were refused, by the provider or by us (`TextRefused`); the provider did not
answer, or broke off; the worker was lost; the asker cancelled; the document is closed to the asker; the answer has no
text; the document has become too long for the model; too little of the payer's budget is left."""

FINAL: frozenset[Failure] = frozenset({"refused", "no_access", "empty", "too_long", "budget"})
"""Failures that a repeat cannot mend."""

RefusalReason = Literal["unsafe_prompt", "unsafe_text", "leaked_rules", "own_key"]
"""What is refused: a prompt or a text, by moderation; a text that repeats our rules; the payer's own key, by the
provider, or because it is gone."""

DraftReason = Literal["asked", "document_changed", "no_access", "document_closed", "too_long"]
"""Why a text is a draft: the asker wanted one, or several to choose from; the document has changed, or is closed to the
asker; it is in the trash or archived; it would be too long."""


class TextRequested(FirstEvent):
    """`variants`: the number of texts. `source_documents` (ids), `source_versions`: what to draw on, if anything.

    `stand_in`: a cheaper model is to write (`StandInChosen`); `own_key`: the payer's own key pays (`OwnKeyChosen`). The
    job waits by them. `latest_at`: the text is for a batch, and is there until then, or given up; None: it is wanted
    now.
    """

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
    variants: int = 1
    source_documents: list[str] | None = None
    source_versions: list[int] | None = None
    plan: Plan = "free"
    stand_in: str | None = None
    own_key: bool = False
    latest_at: datetime | None = None

    def apply(self, aggregate: "Generation") -> None:
        self.assign(aggregate)
        aggregate.batch_id = None
        aggregate.source_documents = self.source_documents or []
        aggregate.source_versions = self.source_versions or []
        aggregate.status = "queued"
        aggregate.round = 1
        aggregate.attempt = aggregate.tries = 0
        aggregate.attempt_is_open = False
        aggregate.failure = aggregate.result = aggregate.draft_reason = None
        aggregate.revision = aggregate.start = aggregate.end = None
        aggregate.refused, aggregate.categories = None, []
        aggregate.stand_in, aggregate.own_key = None, False
        aggregate.fallback, aggregate.fallback_prices = None, []
        aggregate.is_sandbox = False
        aggregate.input_tokens = aggregate.output_tokens = aggregate.cost_micros = 0
        aggregate.forget_texts()


class OwnKeyChosen(Root.Event):
    """The payer's own key of the provider pays for this round of tries."""

    TOPIC = "generation.own_key_chosen"

    def apply(self, aggregate: "Generation") -> None:
        aggregate.own_key = True


class AttemptStarted(Root.Event):
    """`prompt_tokens`: of the prompt that is sent, with the document as it is.

    `fallback`: the model that is asked, with its prices, while the one that is to write does not answer.
    `batch_id`: the id that we have given to the batch in which the prompt is sent; the text is not written at once.
    """

    TOPIC = "generation.attempt_started"
    attempt: int
    prompt_tokens: int
    fallback: str | None = None
    input_price: int | None = None
    output_price: int | None = None
    batch_id: UUID | None = None

    def apply(self, aggregate: "Generation") -> None:
        aggregate.status = "running" if self.batch_id is None else "queued"
        aggregate.batch_id = self.batch_id
        aggregate.attempt = self.attempt
        aggregate.tries += 1
        aggregate.attempt_is_open = True
        aggregate.estimated_tokens = self.prompt_tokens
        aggregate.variant_refusals = []
        aggregate.fallback = self.fallback
        aggregate.fallback_prices = [price for price in (self.input_price, self.output_price) if price is not None]


class AttemptEnded(Root.Event):
    """An attempt ended without an answer; what the provider has written until then is paid for.

    Unless the generation has ended, it waits for the next attempt. `is_try`: it counts among the tries of the request.
    `uncounted`: the variants (from 1) of which the provider's count of tokens never came, so that ours is charged.
    """

    TOPIC = "generation.attempt_ended"
    attempt: int
    failure: Failure
    input_tokens: int
    output_tokens: int
    cost_micros: int
    is_try: bool = True
    uncounted: list[int] | None = None

    def apply(self, aggregate: "Generation") -> None:
        aggregate.attempt_is_open, aggregate.batch_id = False, None
        if not self.is_try:
            aggregate.tries -= 1
        if aggregate.status == "running":
            aggregate.status = "queued"
        add_cost(aggregate, self.input_tokens, self.output_tokens, self.cost_micros)


class TextAnswered(Root.Event):
    """The text is there: written into the document, as the passage from `start` to `end` of `revision`, or a draft.

    `uncounted`: as in `AttemptEnded`.
    """

    TOPIC = "generation.answered"
    attempt: int
    model: str
    ending: AnswerEnding
    text: Personal[str]
    text_length: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
    revision: int | None = None
    start: int | None = None
    end: int | None = None
    draft_reason: DraftReason | None = None
    is_sandbox: bool = False
    uncounted: list[int] | None = None

    def apply(self, aggregate: "Generation") -> None:
        aggregate.attempt_is_open, aggregate.batch_id = False, None
        aggregate.status = "done"
        aggregate.result = "draft" if self.revision is None else "written"
        aggregate.texts, aggregate.models, aggregate.endings = [self.text], [self.model], [self.ending]
        aggregate.draft_reason, aggregate.is_sandbox = self.draft_reason, self.is_sandbox
        aggregate.revision, aggregate.start, aggregate.end = self.revision, self.start, self.end
        add_cost(aggregate, self.input_tokens, self.output_tokens, self.cost_micros)


class VariantsAnswered(Root.Event):
    """The texts are there, as drafts to choose from. A variant that has failed has no model, no ending and no text.

    `uncounted`: as in `AttemptEnded`.
    """

    TOPIC = "generation.variants_answered"
    attempt: int
    models: list[str | None]
    endings: list[AnswerEnding | None]
    texts: Personal[list[str]]
    text_lengths: list[int]
    input_tokens: int
    output_tokens: int
    cost_micros: int
    is_sandbox: bool
    uncounted: list[int] | None = None

    def apply(self, aggregate: "Generation") -> None:
        aggregate.attempt_is_open, aggregate.batch_id = False, None
        aggregate.status = "done"
        aggregate.result, aggregate.draft_reason = "draft", "asked"
        aggregate.texts, aggregate.models, aggregate.endings = self.texts, self.models, self.endings
        aggregate.is_sandbox = self.is_sandbox
        add_cost(aggregate, self.input_tokens, self.output_tokens, self.cost_micros)


class DraftAccepted(Root.Event):
    """The asker has had a draft written into the document. `variant`: which of several, from 1; `model`: its."""

    TOPIC = "generation.draft_accepted"
    revision: int
    start: int
    end: int
    variant: int = 1
    model: str | None = None

    def apply(self, aggregate: "Generation") -> None:
        aggregate.result = "written"
        aggregate.variant = self.variant
        aggregate.revision, aggregate.start, aggregate.end = self.revision, self.start, self.end


class DraftDiscarded(Root.Event):
    TOPIC = "generation.draft_discarded"

    def apply(self, aggregate: "Generation") -> None:
        aggregate.result = "discarded"
        aggregate.texts = []


class TextRefused(Root.Event):
    """The prompt is not sent, or the text not given out. `categories`: those for which moderation refuses it.

    `variant`: the number of the only text of several that is refused, from 1; the generation goes on without it.
    """

    TOPIC = "generation.text_refused"
    refused: RefusalReason
    categories: Personal[list[str]]
    variant: int | None = None

    def apply(self, aggregate: "Generation") -> None:
        if self.variant is None:
            aggregate.refused, aggregate.categories = self.refused, self.categories
            return
        refusals = [*(aggregate.variant_refusals or [None] * aggregate.variants)]
        refusals[self.variant - 1] = self.refused
        aggregate.variant_refusals = refusals


class GenerationFailed(Root.Event):
    """No repeat can help."""

    TOPIC = "generation.failed"
    failure: Failure

    def apply(self, aggregate: "Generation") -> None:
        aggregate.status = "failed"
        aggregate.failure = self.failure


class GivenUp(Root.Event):
    """All tries were used up, or took too long."""

    TOPIC = "generation.given_up"
    failure: Failure

    def apply(self, aggregate: "Generation") -> None:
        aggregate.status = "dead"
        aggregate.failure = self.failure


class GenerationCancelled(Root.Event):
    TOPIC = "generation.cancelled"

    def apply(self, aggregate: "Generation") -> None:
        aggregate.status = "cancelled"
        aggregate.failure = "cancelled"


class StandInChosen(Root.Event):
    """A cheaper model is to write than the one that was asked for: the soft budget is used up."""

    TOPIC = "generation.stand_in_chosen"
    model: str
    input_price: int
    output_price: int

    def apply(self, aggregate: "Generation") -> None:
        aggregate.stand_in = self.model
        aggregate.input_price, aggregate.output_price = self.input_price, self.output_price


class RequestedAgain(Root.Event):
    """The asker wants another round of tries, at the prices of now.

    `payer_kind`, `payer_id`, `month`: of the budget that it is reserved in. `plan`: of the payer. `model`: as before.
    `stand_in`, `own_key`, `latest_at`: as in `TextRequested`.
    """

    TOPIC = "generation.requested_again"
    round: int
    payer_kind: PartyKind
    payer_id: UUID
    month: str
    input_price: int
    output_price: int
    estimated_tokens: int
    plan: Plan = "free"
    model: str = ""
    stand_in: str | None = None
    own_key: bool = False
    latest_at: datetime | None = None

    def apply(self, aggregate: "Generation") -> None:
        aggregate.status = "queued"
        aggregate.latest_at = self.latest_at
        aggregate.failure = aggregate.result = aggregate.draft_reason = None
        aggregate.refused, aggregate.categories = None, []
        aggregate.stand_in, aggregate.own_key = None, False
        aggregate.forget_texts()
        aggregate.round = self.round
        aggregate.tries = 0
        aggregate.payer_kind, aggregate.payer_id, aggregate.month = self.payer_kind, self.payer_id, self.month
        aggregate.input_price, aggregate.output_price = self.input_price, self.output_price
        aggregate.estimated_tokens, aggregate.plan = self.estimated_tokens, self.plan


def add_cost(generation: "Generation", input_tokens: int, output_tokens: int, cost_micros: int) -> None:
    """Add what an attempt has cost."""
    generation.input_tokens += input_tokens
    generation.output_tokens += output_tokens
    generation.cost_micros += cost_micros
