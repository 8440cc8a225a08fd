"""The life of a generation."""

from dataclasses import replace
from uuid import UUID

from domain.content.document import Document
from domain.generation.answer import AttemptAnswers, ModelAnswer
from domain.generation.drafts import accept, discard
from domain.generation.generation import MAX_TRIES, Generation
from domain.generation.placement import Placement
from domain.generation.pricing import AttemptCost, Fallback, TokenPrice
from domain.generation.refusing import VariantRefusal, refuse_variants, withhold
from domain.generation.requesting import (
    AS_ASKED,
    ModelChoice,
    Quote,
    Wish,
    WritingTerms,
    request,
    request_again,
)
from domain.generation.sources import SourceDocument
from domain.generation.urgency import Urgency
from domain.generation.writing import answer as answer_attempt
from tests.support.given import ID, NOW
from tests.support.lives.kernel import ADA, LATER, life

MODEL = ModelChoice("swift", TokenPrice(1_000_000, 2_000_000), 20_000, 4_000, takes_temperature=True)


def river() -> Document:
    """Ada's document."""
    return Document.create(id=ID, owner_id=ADA.user_id, title="A title", content="The river.", now=NOW)


def asked(
    document: Document, placement: Placement, id: int = 0x6E, variants: int = 1, urgency: Urgency = "now"
) -> Generation:
    """A generation that Ada has asked for."""
    return request(
        document,
        Wish(
            "Describe it.", {"tone": "calm"}, placement, 1_000, 0.5, variants, [SourceDocument(document.id, 1)], urgency
        ),
        MODEL,
        Quote("5f0c", 200, "2026-11"),
        id=UUID(int=id),
        by=ADA,
        now=NOW,
    )


def started(generation: Generation, document: Document | None) -> Generation:
    """Start an attempt."""
    generation.start_attempt(document, prompt_tokens=210, obstacle=None, by=ADA, now=LATER)
    return generation


def ask_again(generation: Generation, document: Document, terms: WritingTerms = AS_ASKED) -> Generation:
    """Ask for it once more."""
    request_again(generation, document, MODEL, Quote("5f0c", 200, "2026-11"), terms, by=ADA, now=LATER)
    return generation


def answered(generation: Generation, document: Document) -> Generation:
    """Answer the attempt."""
    answer = ModelAnswer("Otters.", "swift", MODEL.price, "complete", 210, 3, is_sandbox=True)
    variants = [answer, *[None] * (generation.variants - 1)]
    answers = AttemptAnswers(variants, AttemptCost.of(MODEL.price, 210, 1), uncounted=[generation.variants])
    answer_attempt(generation, generation.attempt, answers, document, by=ADA, now=LATER)
    return generation


def withheld(generation: Generation) -> None:
    """Withhold the answer of the attempt."""
    cost = AttemptCost.of(MODEL.price, 210, 3)
    withhold(generation, generation.attempt, "unsafe_text", ["hate", "violence"], cost=cost, now=LATER)


@life
def generation() -> Generation:
    """Cut, cancelled, asked for again and again: given up, failed, withheld, discarded; then accepted, and erased."""
    document = river()
    generation = started(asked(document, Placement("draft")), document)
    generation.end_attempt(1, "cut", input_tokens=200, output_tokens=2, now=LATER)
    generation.cancel(by=ADA, now=LATER)
    ask_again(generation, document, WritingTerms(stand_in=replace(MODEL, name="thrifty")))
    for _ in range(MAX_TRIES):
        started(generation, document)
        generation.end_attempt(generation.attempt, "unavailable", input_tokens=0, output_tokens=0, now=LATER)
    started(ask_again(generation, document), None)
    ask_again(generation, document, WritingTerms(own_key=True))
    withheld(started(generation, document))
    discard(answered(started(ask_again(generation, document), document), document), by=ADA, now=LATER)
    answered(started(ask_again(generation, document), document), document)
    accept(generation, document, Placement(), variant=1, by=ADA, now=LATER)
    generation.erase(now=LATER)
    return generation


@life
def generation_of_variants() -> Generation:
    """Two variants, asked of a fallback: one is refused, and the other one accepted."""
    document = river()
    generation = asked(document, Placement(), 0x6F, variants=2)
    fallback = Fallback("thrifty", TokenPrice(100_000, 200_000))
    generation.start_attempt(document, prompt_tokens=210, obstacle=None, fallback=fallback, by=ADA, now=LATER)
    refuse_variants(generation, 1, [VariantRefusal(2, "unsafe_text", ("hate",))], now=LATER)
    answered(generation, document)
    accept(generation, document, None, variant=1, by=ADA, now=LATER)
    return generation


@life
def generation_of_a_batch() -> Generation:
    """For a batch that has expired; then cancelled in the next one, asked for again, and written."""
    document = river()
    generation = asked(document, Placement(), 0x70, urgency="batch")
    batches = {"prompt_tokens": 210, "obstacle": None, "by": ADA, "now": LATER}
    generation.start_attempt(document, batch_id=UUID(int=0xBA7C), **batches)  # type: ignore[arg-type]
    generation.end_attempt(1, "unavailable", input_tokens=0, output_tokens=0, now=LATER)
    generation.start_attempt(document, batch_id=UUID(int=0xBA7D), **batches)  # type: ignore[arg-type]
    generation.cancel(by=ADA, now=LATER)
    generation.end_attempt(2, "cancelled", input_tokens=210, output_tokens=3, now=LATER)
    ask_again(generation, document)
    generation.start_attempt(document, batch_id=UUID(int=0xBA7E), **batches)  # type: ignore[arg-type]
    return answered(generation, document)
