"""The request of a generation: its rules, its limits, and its first event."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.access import Person
from domain.billing.subscription import Plan
from domain.content.document import Document
from domain.generation.generation import Generation
from domain.generation.placement import Placement
from domain.generation.pricing import TokenPrice
from domain.generation.refusals import NotRetryable, PromptTooLong, UnusablePrompt
from domain.generation.sources import SourceDocument, require_usable
from domain.generation.urgency import Urgency, latest_of
from domain.kernel import Party
from domain.text import multi_line

PROMPT_LENGTH = 20_000
"""Maximum number of characters of a prompt."""
MAX_VARIABLES = 50
VARIABLE_LENGTH = 2_000
"""Maximum number of characters of the value of a variable."""
DEFAULT_OUTPUT_TOKENS = 1_000
MAX_TEMPERATURE = 2
MAX_VARIANTS = 5
"""Maximum number of texts of one request."""
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model and what it allows. `context_tokens`: of prompt and answer together."""

    name: str
    price: TokenPrice
    context_tokens: int
    max_output_tokens: int
    takes_temperature: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks a model for. `variables`: values by name, for `{{name}}` in the prompt; they are data.

    `variants`: the number of texts to choose from. `sources`: documents to draw on. `urgency`: how soon it is wanted;
    the prices of the model are those for it.
    """

    prompt: str
    variables: Mapping[str, str]
    placement: Placement
    max_output_tokens: int | None = None
    temperature: float | None = None
    variants: int = 1
    sources: Sequence[SourceDocument] = ()
    urgency: Urgency = "now"

    def require_usable(self) -> None:
        """Refuse what is not valid, whatever the document.

        Raises:
            UnusablePrompt: the prompt is empty or too long, or there are too many variables or variants.
            UnusableSources: there are too many, or one is named twice.
            UnusableText: a text is too long, or cannot be stored.
        """
        multi_line(self.prompt, "A prompt", PROMPT_LENGTH)
        if not self.prompt.strip():
            raise UnusablePrompt(f"A prompt has 1 to {PROMPT_LENGTH} characters, one that can be seen among them.")
        if not 1 <= self.variants <= MAX_VARIANTS:
            raise UnusablePrompt(f"1 to {MAX_VARIANTS} variants can be asked for, not {self.variants}.")
        require_usable(self.sources)
        if len(self.variables) > MAX_VARIABLES:
            raise UnusablePrompt(f"There are {len(self.variables)} variables, and {MAX_VARIABLES} at most are allowed.")
        for name, value in self.variables.items():
            if not VARIABLE_NAME.fullmatch(name):
                raise UnusablePrompt("The name of a variable has 1 to 64 letters, digits and underscores.")
            multi_line(value, "The value of a variable", VARIABLE_LENGTH)


@dataclass(frozen=True, slots=True)
class Quote:
    """What is computed from a wish: a keyed digest of the prompt, the estimated tokens of all that the model reads,
    and the month whose budget pays; and the plan of the payer.
    """

    prompt_digest: str
    prompt_tokens: int
    month: str
    plan: Plan = "free"


@dataclass(frozen=True, slots=True)
class WritingTerms:
    """Who writes and pays: `stand_in`: a cheaper model, as the soft budget is used up; `own_key`: that of the payer."""

    own_key: bool = False
    stand_in: ModelChoice | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The terms as fields of events."""
        return {"own_key": self.own_key, "stand_in": None if self.stand_in is None else self.stand_in.name}


AS_ASKED = WritingTerms()
"""The model that is asked for writes, and our key pays."""


def payer_of(document: Document, asker_id: UUID) -> Party:
    """Return who pays: the team that owns the document, or else the asker."""
    return document.owner if document.owner_kind == "team" else Party("user", asker_id)


def output_tokens_of(document: Document, wish: Wish, model: ModelChoice, quote: Quote, by: Person) -> int:
    """Return the maximum number of tokens of the answer to a wish that can be requested.

    Raises:
        NotFound, RoleTooLow: the person may not edit the document.
        DocumentIsTrashed: it is in the trash.
        UnusablePlacement, PassageGone: see `Placement.usable_in`.
        UnusablePrompt: the model takes no temperature, or writes less.
        PromptTooLong: the model takes less.
    """
    document.require("generate", by)
    document.require_untrashed()
    if wish.temperature is not None and not model.takes_temperature:
        raise UnusablePrompt(f"{model.name} takes no temperature: leave it out, or choose another model.")
    wish.placement.usable_in(document)
    return _output_tokens(wish.max_output_tokens, model, quote)


def request(
    document: Document,
    wish: Wish,
    model: ModelChoice,
    quote: Quote,
    terms: WritingTerms = AS_ASKED,
    *,
    id: UUID,
    by: Person,
    now: datetime,
) -> Generation:
    """Request a generation. Raises as `output_tokens_of`."""
    output_tokens = output_tokens_of(document, wish, model, quote, by)
    placement = wish.placement.usable_in(document)
    generation = Generation.start_stream(
        Generation.Requested,
        id=id,
        tenant=Party("user", by.user_id),
        now=now,
        document_id=document.id,
        asker_id=by.user_id,
        **_terms(document, by, model, quote, terms),
        **_said(wish, quote),
        latest_at=latest_of(wish.urgency, now),
        model=model.name,
        max_output_tokens=output_tokens,
        target=placement.target,
        target_version=placement.version,
        target_start=placement.start,
        target_end=placement.end,
    )
    _accept(generation, terms, now)
    return generation


def request_again(
    generation: Generation,
    document: Document,
    model: ModelChoice,
    quote: Quote,
    terms: WritingTerms = AS_ASKED,
    *,
    by: Person,
    now: datetime,
) -> None:
    """Let a generation be tried again, on the terms of now: it failed, or its draft was discarded.

    Raises:
        NotFound, RoleTooLow: the person is not the asker, or may not edit the document.
        DocumentIsTrashed: it is in the trash.
        NotRetryable: it is under way, or has a text.
        PromptTooLong: the model takes less.
    """
    generation.require("change", by)
    document.require("generate", by)
    document.require_untrashed()
    if not generation.is_over_without_text:
        raise NotRetryable(
            f"This generation is {generation.status}; one that failed, or whose draft was discarded, can be tried "
            "again."
        )
    _output_tokens(generation.max_output_tokens, model, quote)
    generation.trigger_event(
        Generation.RequestedAgain,
        now=now,
        round=generation.round + 1,
        latest_at=latest_of(generation.urgency, now),
        model=generation.model,
        **_terms(document, by, model, quote, terms),
    )
    _accept(generation, terms, now)


def _accept(generation: Generation, terms: WritingTerms, now: datetime) -> None:
    """Let the payer's own key pay, and a cheaper model write, until the generation is asked for again."""
    if terms.own_key:
        generation.trigger_event(Generation.OwnKeyChosen, now=now)
    if terms.stand_in is not None:
        model, price = terms.stand_in.name, terms.stand_in.price
        generation.trigger_event(
            Generation.StandInChosen, now=now, model=model, input_price=price.input, output_price=price.output
        )


def _terms(document: Document, asker: Person, model: ModelChoice, quote: Quote, terms: WritingTerms) -> dict[str, Any]:
    """Return who pays, by which plan and key, from which budget, at which prices, for how long a prompt."""
    payer = payer_of(document, asker.user_id)
    return {
        "payer_kind": payer.kind,
        "payer_id": payer.id,
        "month": quote.month,
        "input_price": model.price.input,
        "output_price": model.price.output,
        "estimated_tokens": quote.prompt_tokens,
        "plan": quote.plan,
        **terms.fields,
    }


def _said(wish: Wish, quote: Quote) -> dict[str, Any]:
    return {
        "prompt": wish.prompt,
        "prompt_length": len(wish.prompt),
        "prompt_digest": quote.prompt_digest,
        "variable_names": [*wish.variables.keys()],
        "variable_values": [*wish.variables.values()],
        "temperature": wish.temperature,
        "variants": wish.variants,
        "source_documents": [str(source.document_id) for source in wish.sources] or None,
        "source_versions": [source.version for source in wish.sources] or None,
    }


def _output_tokens(wanted: int | None, model: ModelChoice, quote: Quote) -> int:
    """Return the maximum number of tokens of the answer.

    Raises:
        UnusablePrompt: the model writes less.
        PromptTooLong: it takes less than prompt and answer.
    """
    output = min(DEFAULT_OUTPUT_TOKENS, model.max_output_tokens) if wanted is None else wanted
    if not 1 <= output <= model.max_output_tokens:
        raise UnusablePrompt(f"{model.name} writes 1 to {model.max_output_tokens} tokens, not {output}.")
    if quote.prompt_tokens + output > model.context_tokens:
        raise PromptTooLong(
            f"Prompt and document have about {quote.prompt_tokens} tokens, the answer may have {output}, and "
            f"{model.name} takes {model.context_tokens} in all; shorten the document or the prompt, or choose another."
        )
    return output
