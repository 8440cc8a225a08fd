"""Several texts of which some are refused: those are paid and missing, and the others are kept."""

import asyncio
from uuid import UUID

import pytest

from application.generation import answering, moderating
from application.generation.canary import canary_of
from application.generation.generation import CancelGeneration
from application.generation.provider_key import SaveProviderKey
from application.generation.watching import GenerationReader
from application.ports import AnswerCut, AnswerEnd, AttemptText, KeyRefused, Unavailable, Usage
from domain.generation.generation import Generation
from tests.support.generations import MODELS, Line, MemoryPartialTexts
from tests.support.studio import Studio

SWIFT = MODELS["swift"]


def answer(text: str) -> list[Line]:
    """An answer of 100 and 10 tokens."""
    return [text, AnswerEnd("complete", Usage(100, 10))]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep, watch and ask moderation again without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(answering, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(moderating, "PAUSES", ())


async def studio_with(*scripts: list[Line], refused: dict[str, tuple[str, ...]] | None = None) -> Studio:
    """A studio whose provider gives these answers, and whose moderation refuses these words."""
    studio = await Studio().open()
    studio.provider.scripts = [*scripts]
    studio.moderation.refused = refused or {}
    return studio


def refusals(studio: Studio) -> list[tuple[int | None, str, list[str]]]:
    """What was recorded as refused: of which variant, why, and the categories."""
    events = [event for event in studio.store.log if isinstance(event, Generation.TextRefused)]
    return [(event.variant, event.refused, event.categories) for event in events]


async def paid(studio: Studio) -> tuple[int, int]:
    """Tokens and micro-dollars of the budget; nothing is reserved any more."""
    budget = await studio.budget()
    assert budget.reserved == {}
    return budget.used_tokens, budget.used_micros


async def test_a_text_that_moderation_refuses_is_paid_and_missing_and_the_others_are_kept() -> None:
    studio = await studio_with(answer("Herons."), answer("Otters."), refused={"Herons": ("violence",)})
    asked = await studio.ask_for(variants=2)
    await studio.work()
    done = await studio.generation(asked.id)
    assert (done.status, done.texts, done.models) == ("done", ["", "Otters."], [None, "swift"])
    assert (done.refused, done.explanation, done.variant_refusals) == (None, None, ["unsafe_text", None])
    assert refusals(studio) == [(1, "unsafe_text", ["violence"])]
    assert await paid(studio) == (220, 2 * SWIFT.cost(100, 10))


async def test_each_text_is_searched_for_the_canary_on_its_own() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for(variants=3)
    canary = canary_of(studio.blind, asked.id)
    # Two halves of a leaked part, each in a text of its own, are no leak.
    studio.provider.scripts = [answer(f"It is {canary[:8]}"), answer(f"{canary[8:16]}."), [f"It is {canary}.", "More."]]
    await studio.work()
    done = await studio.generation(asked.id)
    assert (done.status, done.texts) == ("done", [f"It is {canary[:8]}", f"{canary[8:16]}.", ""])
    tokens, micros = await paid(studio)
    assert (tokens, micros) == (220 + asked.estimated_tokens, 2 * SWIFT.cost(100, 10) + asked.estimated_tokens)
    assert (refusals(studio), done.variant_refusals) == ([(3, "leaked_rules", [])], [None, None, "leaked_rules"])


async def test_when_all_are_refused_so_is_the_attempt_and_all_are_paid() -> None:
    studio = await studio_with(
        answer("Otters."), answer("Herons."), refused={"Otters": ("hate",), "Herons": ("hate", "violence")}
    )
    asked = await studio.ask_for(variants=2)
    await studio.work()
    failed = await studio.generation(asked.id)
    assert (failed.status, failed.refused, failed.texts) == ("failed", "unsafe_text", [])
    assert refusals(studio) == [(None, "unsafe_text", ["hate", "violence"])]
    assert await paid(studio) == (220, 2 * SWIFT.cost(100, 10))


async def test_a_refused_text_beside_an_empty_one_is_refused() -> None:
    studio = await studio_with(answer(" "), answer("Herons."), refused={"Herons": ("hate",)})
    asked = await studio.ask_for(variants=2)
    await studio.work()
    assert ((await studio.generation(asked.id)).refused, (await paid(studio))[0]) == ("unsafe_text", 220)


async def test_a_refused_text_beside_one_that_was_cut_is_tried_again() -> None:
    studio = await studio_with(["Ott", AnswerCut("The provider")], answer("Herons."), refused={"Herons": ("hate",)})
    asked = await studio.ask_for(variants=2)
    with pytest.raises(AnswerCut):
        await studio.try_once()
    refused = [(2, "unsafe_text", ["hate"])]
    assert ((await studio.generation(asked.id)).status, refusals(studio)) == ("queued", refused)
    await studio.work()
    done = await studio.generation(asked.id)
    assert (done.texts, done.variant_refusals, refusals(studio)) == (["Otters.", "Otters."], [], refused)


async def cut_beside_a_refused_one() -> tuple[Studio, UUID, MemoryPartialTexts]:
    """A generation that waits for its next try: one text was cut, the other refused. What was kept of both is there."""
    studio = await studio_with(["Ott", AnswerCut("The provider")], answer("Herons."), refused={"Herons": ("hate",)})
    asked = await studio.ask_for(variants=2)
    with pytest.raises(AnswerCut):
        await studio.try_once()
    pieces = MemoryPartialTexts()
    for variant, text in ((1, "Ott"), (2, "Herons.")):
        await pieces.append(AttemptText(asked.id, 1, variant), 0, text)
    return studio, asked.id, pieces


async def test_a_refused_text_is_not_shown_while_the_next_try_is_waited_for() -> None:
    studio, id, pieces = await cut_beside_a_refused_one()
    view = await GenerationReader(studio.store, pieces, studio.jobs, studio.ada).view(id, 0)
    assert (view.status, view.texts, view.variant_refusals) == ("queued", ["Ott", ""], [None, "unsafe_text"])


async def test_what_was_kept_of_a_refused_text_is_removed_before_the_next_try() -> None:
    studio, id, _ = await cut_beside_a_refused_one()
    assert (studio.partial_texts.pieces, studio.partial_texts.removed) == ({}, [id])


async def test_what_was_kept_is_shown_until_the_next_try_if_nothing_is_refused() -> None:
    studio = await studio_with(["Ott", AnswerCut("The provider")], ["Her", AnswerCut("The provider")])
    asked = await studio.ask_for(variants=2)
    with pytest.raises(AnswerCut):
        await studio.try_once()
    view = await GenerationReader(studio.store, studio.partial_texts, studio.jobs, studio.ada).view(asked.id, 0)
    assert (view.status, view.texts) == ("queued", ["Ott", "Her"])


async def test_a_refused_text_is_withdrawn_when_the_generation_ends_before_the_next_try() -> None:
    studio, id, pieces = await cut_beside_a_refused_one()
    assert (await studio.generation(id)).withdrawn == {2: "unsafe_text"}
    cancelled = await studio.ask(CancelGeneration(id=id), studio.ada)
    assert cancelled.status == "cancelled"
    assert (await studio.generation(id)).withdrawn == {2: "unsafe_text"}
    view = await GenerationReader(studio.store, pieces, studio.jobs, studio.ada).view(id, 0)
    assert view.texts == ["Ott", ""]


async def test_a_leak_beside_one_that_was_cut_is_recorded() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for(variants=2)
    studio.provider.scripts = [["Ott", AnswerCut("The provider")], [f"It is {canary_of(studio.blind, asked.id)}."]]
    with pytest.raises(AnswerCut):
        await studio.try_once()
    assert refusals(studio) == [(2, "leaked_rules", [])]


async def test_variants_that_only_we_have_counted_are_recorded() -> None:
    studio = await studio_with(
        answer("Otters."), ["Her", AnswerCut("The provider")], ["Ibis.", AnswerEnd("length", None)]
    )
    await studio.ask_for(variants=3)
    await studio.work()
    [answered] = [event for event in studio.store.log if isinstance(event, Generation.VariantsAnswered)]
    assert answered.uncounted == [2, 3]


async def test_a_variant_that_ended_before_the_rest_was_stopped_costs_what_the_provider_says() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for(variants=2)
    written = asyncio.Event()
    studio.provider.scripts = [answer("Otters."), ["12345678", written.set, asyncio.Event()]]
    working = asyncio.create_task(studio.work())
    await written.wait()
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    await working
    [ended] = [event for event in studio.store.log if isinstance(event, Generation.AttemptEnded)]
    assert (ended.input_tokens, ended.output_tokens) == (100 + asked.estimated_tokens, 12)
    assert (ended.failure, ended.uncounted) == ("cancelled", [2])


async def test_a_text_that_is_not_judged_is_missing_and_the_others_are_kept() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for(variants=2)
    studio.provider.scripts = [
        [lambda: studio.moderation.outages.append(Unavailable("Moderation")), *answer("Otters.")],
        answer("Herons."),
    ]
    await studio.work()
    done = await studio.generation(asked.id)
    assert (done.status, sorted(done.texts)[0], len(studio.provider.asked)) == ("done", "", 2)
    assert await paid(studio) == (220, 2 * SWIFT.cost(100, 10))


async def test_a_key_that_is_refused_refuses_all_variants() -> None:
    studio = await studio_with([KeyRefused("status 401")], [KeyRefused("status 401")])
    await studio.ask(SaveProviderKey(team_id=None, key="sk-otters-hold-hands-1234"), studio.ada)
    asked = await studio.ask_for(variants=2)
    await studio.work()
    assert ((await studio.generation(asked.id)).refused, await paid(studio)) == ("own_key", (0, 0))


async def test_variants_with_a_key_of_ones_own_cost_tokens_and_no_money() -> None:
    studio = await studio_with(answer("Otters."), answer("Herons."), refused={"Herons": ("hate",)})
    await studio.ask(SaveProviderKey(team_id=None, key="sk-otters-hold-hands-1234"), studio.ada)
    asked = await studio.ask_for(variants=2)
    assert (await studio.budget()).reserved == {asked.id: [2 * (asked.estimated_tokens + 1_000), 0]}
    await studio.work()
    assert ((await studio.generation(asked.id)).texts, await paid(studio)) == (["Otters.", ""], (220, 0))
