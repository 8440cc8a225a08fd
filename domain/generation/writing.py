"""What becomes of the answers of an attempt: a text in the document, a draft, or several to choose from."""

from datetime import datetime

from domain.access import Person
from domain.content.document import Document
from domain.generation.answer import AttemptAnswers
from domain.generation.drafts import place_text
from domain.generation.generation import Generation


def answer(
    generation: Generation,
    attempt: int,
    answers: AttemptAnswers,
    document: Document | None,
    *,
    by: Person,
    now: datetime,
) -> None:
    """Write the text of an attempt into the document, or keep it, or several, as a draft.

    Texts of a generation that was cancelled or erased meanwhile are paid for, but not kept. Does nothing if the attempt
    is not the one under way: another worker has taken over.
    """
    if not generation.is_under_way(attempt):
        return
    if not generation.is_open or not answers.has_text:
        cost = answers.cost
        generation.end_attempt(
            attempt,
            "empty" if generation.is_open else "cancelled",
            input_tokens=cost.input_tokens,
            output_tokens=cost.output_tokens,
            micros=cost.micros,
            uncounted=answers.uncounted,
            now=now,
        )
    elif generation.variants > 1:
        _keep_variants(generation, answers, now)
    else:
        _write_or_keep(generation, answers, document, by, now)


def _write_or_keep(
    generation: Generation, answers: AttemptAnswers, document: Document | None, by: Person, now: datetime
) -> None:
    [text], cost = answers.given, answers.cost
    passage, reason = place_text(generation.placement, document, text.text, by, now)
    generation.trigger_event(
        Generation.Answered,
        now=now,
        attempt=generation.attempt,
        model=text.model,
        ending=text.ending,
        text=text.text,
        text_length=len(text.text),
        input_tokens=cost.input_tokens,
        output_tokens=cost.output_tokens,
        cost_micros=cost.micros,
        revision=None if passage is None else passage.revision,
        start=None if passage is None else passage.start,
        end=None if passage is None else passage.end,
        draft_reason=reason,
        is_sandbox=text.is_sandbox,
        uncounted=[*answers.uncounted] or None,
    )


def _keep_variants(generation: Generation, answers: AttemptAnswers, now: datetime) -> None:
    texts = ["" if each is None else each.text for each in answers.variants]
    cost = answers.cost
    generation.trigger_event(
        Generation.VariantsAnswered,
        now=now,
        attempt=generation.attempt,
        models=[None if each is None else each.model for each in answers.variants],
        endings=[None if each is None else each.ending for each in answers.variants],
        texts=texts,
        text_lengths=[len(text) for text in texts],
        input_tokens=cost.input_tokens,
        output_tokens=cost.output_tokens,
        cost_micros=cost.micros,
        is_sandbox=any(each.is_sandbox for each in answers.given),
        uncounted=[*answers.uncounted] or None,
    )
