"""Events of generations: bases of those that `Generation` names.

Here they are only written down, because a file has its bounds; all other code uses `Generation.Answered` and so on.
"""

from typing import TYPE_CHECKING, Literal
from uuid import UUID

from domain.generation.answer import AnswerEnding
from domain.kernel import PartyKind, Personal, Root

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
"""Why a text is a draft: the asker wanted one; the document has changed, or is closed to the asker; it is in the trash
or archived; it would be too long."""


class OwnKeyChosen(Root.Event):
    """The payer's own key of the provider pays for this round of tries."""

    TOPIC = "generation.own_key_chosen"

    def apply(self, aggregate: "Generation") -> None:
        aggregate.own_key = True


class AttemptStarted(Root.Event):
    """`prompt_tokens`: of the prompt that is sent, with the document as it is."""

    TOPIC = "generation.attempt_started"
    attempt: int
    prompt_tokens: int

    def apply(self, aggregate: "Generation") -> None:
        aggregate.status = "running"
        aggregate.attempt = self.attempt
        aggregate.tries += 1
        aggregate.attempt_is_open = True
        aggregate.estimated_tokens = self.prompt_tokens


class AttemptEnded(Root.Event):
    """An attempt ended without an answer; what the provider has written until then is paid for.

    Unless the generation has ended, it waits for the next attempt. `is_try`: it counts among the tries of the request.
    """

    TOPIC = "generation.attempt_ended"
    attempt: int
    failure: Failure
    input_tokens: int
    output_tokens: int
    cost_micros: int
    is_try: bool = True

    def apply(self, aggregate: "Generation") -> None:
        aggregate.attempt_is_open = False
        if not self.is_try:
            aggregate.tries -= 1
        if aggregate.status == "running":
            aggregate.status = "queued"
        add_cost(aggregate, self.input_tokens, self.output_tokens, self.cost_micros)


class TextAnswered(Root.Event):
    """The text is there: written into the document, as the passage from `start` to `end` of `revision`, or a draft."""

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

    def apply(self, aggregate: "Generation") -> None:
        aggregate.attempt_is_open = False
        aggregate.status = "done"
        aggregate.result = "draft" if self.revision is None else "written"
        aggregate.answered_by, aggregate.ending, aggregate.text = self.model, self.ending, self.text
        aggregate.draft_reason, aggregate.is_sandbox = self.draft_reason, self.is_sandbox
        aggregate.revision, aggregate.start, aggregate.end = self.revision, self.start, self.end
        add_cost(aggregate, self.input_tokens, self.output_tokens, self.cost_micros)


class DraftAccepted(Root.Event):
    """The asker has had the draft written into the document."""

    TOPIC = "generation.draft_accepted"
    revision: int
    start: int
    end: int

    def apply(self, aggregate: "Generation") -> None:
        aggregate.result = "written"
        aggregate.revision, aggregate.start, aggregate.end = self.revision, self.start, self.end


class DraftDiscarded(Root.Event):
    TOPIC = "generation.draft_discarded"

    def apply(self, aggregate: "Generation") -> None:
        aggregate.result = "discarded"
        aggregate.text = ""


class TextRefused(Root.Event):
    """The prompt is not sent, or the text not given out. `categories`: those for which moderation refuses it."""

    TOPIC = "generation.text_refused"
    refused: RefusalReason
    categories: Personal[list[str]]

    def apply(self, aggregate: "Generation") -> None:
        aggregate.refused, aggregate.categories = self.refused, self.categories


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


class RequestedAgain(Root.Event):
    """The asker wants another round of tries, at the prices of now.

    `payer_kind`, `payer_id`, `month`: of the budget that it is reserved in.
    """

    TOPIC = "generation.requested_again"
    round: int
    payer_kind: PartyKind
    payer_id: UUID
    month: str
    input_price: int
    output_price: int
    estimated_tokens: int

    def apply(self, aggregate: "Generation") -> None:
        aggregate.status = "queued"
        aggregate.failure = aggregate.result = aggregate.draft_reason = None
        aggregate.ending = aggregate.answered_by = None
        aggregate.refused, aggregate.categories, aggregate.own_key = None, [], False
        aggregate.round = self.round
        aggregate.tries = 0
        aggregate.payer_kind, aggregate.payer_id, aggregate.month = self.payer_kind, self.payer_id, self.month
        aggregate.input_price, aggregate.output_price = self.input_price, self.output_price
        aggregate.estimated_tokens = self.estimated_tokens


def add_cost(generation: "Generation", input_tokens: int, output_tokens: int, cost_micros: int) -> None:
    """Add what an attempt has cost."""
    generation.input_tokens += input_tokens
    generation.output_tokens += output_tokens
    generation.cost_micros += cost_micros
