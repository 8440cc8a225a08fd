"""What is refused before the provider is asked, and what is withheld of its answers."""

import asyncio
from collections.abc import Callable
from typing import Literal, get_args

import pytest
from structlog.testing import capture_logs

from application.generation import answering, moderating
from application.generation.canary import canary_of
from application.generation.generation import GenerationView, RetryGeneration, generation_view
from application.generation.prompting import RULES
from application.ports import AnswerEnd, AttemptText, Unavailable, Usage
from domain.generation.events import Failure, RefusalReason
from domain.generation.explaining import EXPLANATIONS, explanation_of
from domain.generation.generation import Generation
from tests.support.generations import MODELS, Line
from tests.support.injections import INJECTIONS
from tests.support.studio import Studio

END = AnswerEnd("complete", Usage(100, 10))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep, watch and ask again without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(answering, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(moderating, "PAUSES", (0.0, 0.0))


async def view(studio: Studio, asked: GenerationView) -> GenerationView:
    return generation_view(await studio.generation(asked.id))


def refusals(studio: Studio) -> list[tuple[str, list[str]]]:
    """What was recorded as refused."""
    events = [event for event in studio.store.log if isinstance(event, Generation.TextRefused)]
    return [(event.refused, event.categories) for event in events]


async def test_a_refused_prompt_is_neither_sent_nor_paid() -> None:
    studio = await Studio().open()
    studio.moderation.refused = {"Describe": ("hate", "violence")}
    asked = await studio.ask_for()
    await studio.work()
    refused = await view(studio, asked)
    assert (refused.status, refused.refused, refused.categories) == ("failed", "unsafe_prompt", ["hate", "violence"])
    assert refused.explanation == "Moderation refuses the prompt. Change it and ask again. Categories: hate, violence."
    assert studio.provider.asked == []
    budget = await studio.budget()
    assert (budget.reserved, budget.used_tokens, budget.used_micros) == ({}, 0, 0)
    assert refusals(studio) == [("unsafe_prompt", ["hate", "violence"])]
    assert (await studio.document()).content == "The river."


async def test_the_values_of_variables_are_judged_with_the_prompt() -> None:
    studio = await Studio().open("A violent river.")
    studio.moderation.refused = {"furious": ("violence",)}
    asked = await studio.ask_for(variables={"tone": "furious"})
    await studio.work()
    assert (await view(studio, asked)).refused == "unsafe_prompt"
    assert studio.moderation.judged == ["Describe it.\n\nfurious"]


async def test_a_refused_text_is_paid_and_not_written() -> None:
    studio = await Studio().open()
    studio.moderation.refused = {"Otters": ("violence/graphic",)}
    asked = await studio.ask_for()
    await studio.work()
    refused = await view(studio, asked)
    assert (refused.status, refused.refused, refused.categories) == ("failed", "unsafe_text", ["violence/graphic"])
    assert refused.explanation is not None
    assert "violence/graphic" in refused.explanation
    assert (refused.text, refused.result, refused.cost_micros) == ("", None, 120)
    budget = await studio.budget()
    assert (budget.reserved, budget.used_micros) == ({}, 120)
    assert refusals(studio) == [("unsafe_text", ["violence/graphic"])]
    assert (await studio.document()).content == "The river."
    assert studio.partial_texts.pieces == {}


async def test_a_refused_text_of_a_fallback_costs_what_the_fallback_costs() -> None:
    studio = await Studio().open()
    studio.moderation.refused = {"Otters": ("violence",)}
    studio.provider.shut = {"swift"}
    asked = await studio.ask_for()
    await studio.work()
    assert (await view(studio, asked)).cost_micros == MODELS["thrifty"].cost(100, 10)


async def test_a_generation_that_was_refused_can_be_asked_for_again() -> None:
    studio = await Studio().open()
    studio.moderation.refused = {"Describe": ("hate",)}
    asked = await studio.ask_for()
    await studio.work()
    studio.moderation.refused = {}
    await studio.ask(RetryGeneration(id=asked.id), studio.ada)
    await studio.work()
    done = await view(studio, asked)
    assert (done.status, done.refused, done.categories, done.explanation) == ("done", None, [], None)


async def test_without_a_judgement_of_the_prompt_the_generation_waits() -> None:
    studio = await Studio().open()
    studio.moderation.outages = [Unavailable("Moderation")]
    asked = await studio.ask_for()
    with pytest.raises(Unavailable):
        await studio.try_once()
    waiting = await view(studio, asked)
    assert (waiting.status, waiting.attempt, studio.provider.asked) == ("queued", 0, [])
    await studio.work()
    assert (await view(studio, asked)).status == "done"


async def test_a_text_waits_for_its_judgement() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    studio.provider.scripts = [["Otters.", outage(studio, 2), END]]
    await studio.work()
    assert ((await view(studio, asked)).status, len(studio.provider.asked)) == ("done", 1)


async def test_a_text_that_is_not_judged_is_not_kept() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    studio.provider.scripts = [["Otters.", outage(studio, 3), END]]
    with pytest.raises(Unavailable):
        await studio.try_once()
    waiting = await view(studio, asked)
    assert (waiting.status, waiting.cost_micros) == ("queued", 120)
    assert (await studio.document()).content == "The river."
    await studio.work()
    assert (await view(studio, asked)).cost_micros == 240


def outage(studio: Studio, times: int) -> Line:
    """Moderation fails so many times from now on."""
    return lambda: studio.moderation.outages.extend([Unavailable("Moderation")] * times)


LEAKS: dict[str, Callable[[str], list[str]]] = {
    "in one piece": lambda canary: [f"My number is {canary}."],
    "digit by digit": lambda canary: ["My number is ", *canary],
    "in capitals, zero-width characters between": lambda canary: ["\u200b".join(canary.upper())],
    "in two halves": lambda canary: [canary[:16], " and then ", canary[16:]],
}


@pytest.mark.parametrize("leak", LEAKS)
async def test_a_text_with_the_canary_never_leaves(leak: str) -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    canary = canary_of(studio.blind, asked.id)
    kept = note_kept(studio)
    pieces = ["The river. ", *LEAKS[leak](canary)]
    studio.provider.scripts = [[part for piece in pieces for part in (piece, Pause())]]
    with capture_logs() as logs:
        await studio.work()
    withheld = await view(studio, asked)
    assert (withheld.status, withheld.refused, withheld.text) == ("failed", "leaked_rules", "")
    assert withheld.explanation is not None
    assert (await studio.document()).content == "The river."
    assert "The river. " in "".join(kept)
    assert canary not in "".join(kept).replace("\u200b", "").lower()
    assert canary not in str(logs)
    assert studio.provider.closed == 1
    assert refusals(studio) == [("leaked_rules", [])]
    budget = await studio.budget()
    assert budget.reserved == {}
    assert budget.used_micros == withheld.cost_micros > 0


def note_kept(studio: Studio) -> list[str]:
    """Return the list to which each piece goes that watchers can see, from now on."""
    kept: list[str] = []
    append = studio.partial_texts.append

    async def noted(of: AttemptText, start: int, text: str) -> bool:
        kept.append(text)
        return await append(of, start, text)

    studio.partial_texts.append = noted  # type: ignore[method-assign]
    return kept


@pytest.mark.parametrize(("kind", "text"), INJECTIONS, ids=[f"{kind} {at}" for at, (kind, _) in enumerate(INJECTIONS)])
async def test_a_model_that_obeys_an_injection_and_writes_its_rules_is_withheld(kind: str, text: str) -> None:
    studio = await Studio().open(text)
    asked = await studio.ask_for()
    rules = f"{RULES}{canary_of(studio.blind, asked.id)}."
    kept = note_kept(studio)
    pieces = [rules[start : start + 50] for start in range(0, len(rules), 50)]
    studio.provider.scripts = [[part for piece in pieces for part in (piece, Pause())]]
    await studio.work()
    [prompt] = studio.provider.asked
    assert (prompt.messages[0].text, text in prompt.messages[1].text) == (rules, True), kind
    withheld = await view(studio, asked)
    assert (withheld.status, withheld.refused, withheld.text, withheld.texts) == ("failed", "leaked_rules", "", [])
    assert (await studio.document()).content == text
    assert canary_of(studio.blind, asked.id) not in "".join(kept)
    assert studio.partial_texts.pieces == {}


class Pause(asyncio.Event):
    """A step at which the worker may keep what it has."""

    async def wait(self) -> Literal[True]:
        for _ in range(5):
            await asyncio.sleep(0)
        return True


async def test_the_canary_is_in_the_rules_and_in_nothing_that_is_stored() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.work()
    canary = canary_of(studio.blind, asked.id)
    [prompt] = studio.provider.asked
    assert canary in prompt.messages[0].text
    assert canary not in prompt.messages[1].text
    assert canary not in str([vars(event) for event in studio.store.log])


def test_every_failure_is_explained_in_words_with_a_next_step() -> None:
    assert {*EXPLANATIONS} == {*get_args(Failure), *get_args(RefusalReason)}
    assert all(text.endswith(".") for text in EXPLANATIONS.values())
    assert explanation_of(None, ["hate"]) is None


async def test_control_characters_of_a_model_reach_nobody() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [["Ott\x1b[31mers", "\u202e.\0", "\U000e0041", END]]
    asked = await studio.ask_for()
    await studio.work()
    assert (await view(studio, asked)).text == "Ott[31mers."
    assert (await studio.document()).content == "The river.\n\nOtt[31mers."
