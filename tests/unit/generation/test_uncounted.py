"""Requests whose tokens only we have counted, in the read model of generations: operators compare them with bills."""

from typing import Any

import pytest

from domain.content.document import Document
from domain.generation.answer import AttemptAnswers, ModelAnswer
from domain.generation.generation import Generation
from domain.generation.losing import lose_attempt
from domain.generation.placement import Placement
from domain.generation.writing import answer
from projections.generation.generation import Generations
from projections.kernel import Fold
from tests.support.given import NOW
from tests.support.lives.generation.generation import MODEL, asked, river, started
from tests.support.lives.kernel import ADA
from tests.support.projecting import recorded


def requests_of(generation: Generation) -> list[str]:
    """The requests in the row of a generation."""
    fold = Fold(Generations())
    events: list[Any] = [*generation.pending_events]
    staged = fold.stage(recorded(*events))
    fold.learn({})
    fold.fold(staged)
    [row] = fold.rows.values()
    assert row is not None
    found: list[str] = row["uncounted_requests"]
    return found


def answer_with(generation: Generation, document: Document, *texts: str, uncounted: tuple[int, ...] = ()) -> None:
    """Answer the attempt: one text for each variant; an empty one has failed."""
    variants = [ModelAnswer(text, "swift", MODEL.price, "complete", 9, 2) if text else None for text in texts]
    answers = AttemptAnswers(variants, uncounted=uncounted)
    answer(generation, generation.attempt, answers, document, by=ADA, now=NOW)


def test_a_variant_that_was_cut_beside_others_is_named() -> None:
    document = river()
    generation = started(asked(document, Placement(), variants=3), document)
    answer_with(generation, document, "Otters.", "", "Ibis.", uncounted=(2, 3))
    assert requests_of(generation) == ["1-2", "1-3"]


def test_an_answer_without_usage_is_named() -> None:
    document = river()
    generation = started(asked(document, Placement()), document)
    answer_with(generation, document, "Otters.", uncounted=(1,))
    assert requests_of(generation) == ["1"]


def test_what_the_provider_has_counted_is_not_named() -> None:
    document = river()
    generation = started(asked(document, Placement(), variants=2), document)
    answer_with(generation, document, "Otters.", "Ibis.")
    assert requests_of(generation) == []


def test_all_variants_of_a_lost_attempt_are_named() -> None:
    document = river()
    generation = started(asked(document, Placement(), variants=2), document)
    lose_attempt(generation, output_tokens=3, now=NOW)
    started(generation, document)
    answer_with(generation, document, "Otters.", "Ibis.", uncounted=(1,))
    assert requests_of(generation) == ["1-1", "1-2", "2-1"]


@pytest.mark.parametrize(
    ("failure", "named"), [("cut", ["1"]), ("lost", ["1"]), ("unavailable", []), ("cancelled", [])]
)
def test_events_of_before_requests_were_named_name_lost_ones(failure: Any, named: list[str]) -> None:
    document = river()
    generation = started(asked(document, Placement()), document)
    generation.end_attempt(1, failure, input_tokens=9, output_tokens=2, now=NOW)
    assert requests_of(generation) == named
