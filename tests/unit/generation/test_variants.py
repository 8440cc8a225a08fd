"""Several texts to choose from: written at the same time, paid together, and one accepted, or all discarded."""

import asyncio
from datetime import timedelta

import pytest

from adapters.provider.circuits import FAILURES_TO_OPEN, OPEN_SECONDS
from adapters.provider.guarded_provider import GuardedProvider
from application.content.document import ChangeDocument
from application.generation import answering
from application.generation.attempts import ExpireGeneration, StartAttempt
from application.generation.generation import AcceptDraft, CancelGeneration, DiscardDraft
from application.jobs import perform
from application.ports import AnswerCut, AnswerEnd, AttemptText, NotAsked, Prompt, PromptRefused, Unavailable, Usage
from domain.generation.generation import RUNNING_TIME, Generation
from domain.generation.placement import Placement
from domain.generation.refusals import NoDraft, PassageGone, UnusablePrompt
from tests.support.generations import Line, PlainModels
from tests.support.studio import OUTPUT, Studio
from tests.support.waiting import until


def answer(text: str) -> list[Line]:
    """An answer of 100 and 10 tokens."""
    return [text, AnswerEnd("complete", Usage(100, 10))]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep and watch without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(answering, "WATCH_SECONDS", 0.0)


async def test_all_are_written_as_drafts_and_paid() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [answer("Otters."), answer("Herons."), answer("Reeds.")]
    asked = await studio.ask_for(variants=3)
    assert asked.estimated_micros == 3 * (asked.estimated_tokens + 2 * OUTPUT)
    reserved = await studio.budget()
    assert reserved.reserved == {asked.id: [3 * (asked.estimated_tokens + OUTPUT), asked.estimated_micros]}
    await studio.work()
    done, budget = await studio.generation(asked.id), await studio.budget()
    assert (done.status, done.result, done.draft_reason) == ("done", "draft", "asked")
    assert done.texts == ["Otters.", "Herons.", "Reeds."]
    assert [prompt.request_id for prompt in studio.provider.asked] == [f"{asked.id}-1-{n}" for n in (1, 2, 3)]
    assert (done.input_tokens, done.output_tokens, done.cost_micros) == (300, 30, 360)
    assert (budget.used_tokens, budget.used_micros, budget.reserved) == (330, 360, {})
    assert ((await studio.document()).revision, studio.partial_texts.pieces) == (1, {})


async def test_each_is_kept_while_it_is_written() -> None:
    studio, never = await Studio().open(), asyncio.Event()
    asked = await studio.ask_for(variants=2)
    studio.provider.scripts = [["Otters", never], ["Herons", never]]
    working = asyncio.create_task(studio.try_once())
    await until(lambda: len(studio.partial_texts.pieces) == 2)
    texts = [await studio.partial_texts.read(AttemptText(asked.id, 1, variant), 0) for variant in (1, 2)]
    assert texts == ["Otters", "Herons"]
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert (await studio.generation(asked.id)).cost.tokens == 2 * asked.estimated_tokens + 4
    await studio.work()
    assert (await studio.generation(asked.id)).texts == ["Otters.", "Otters."]


async def test_one_that_ends_first_is_kept_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "KEEP_SECONDS", 600.0)
    studio, never = await Studio().open(), asyncio.Event()
    asked = await studio.ask_for(variants=2)
    first_kept = asyncio.Event()
    studio.provider.scripts = [["Ott", first_kept, "ers.", AnswerEnd("complete", None)], [never]]
    working = asyncio.create_task(studio.try_once())
    await until(lambda: [*studio.partial_texts.pieces.values()] == ["Ott"])
    first_kept.set()
    await until(lambda: [*studio.partial_texts.pieces.values()] == ["Ott", "ers."])
    assert await studio.partial_texts.read(AttemptText(asked.id, 1, 1), 0) == "Otters."
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


async def test_a_worker_that_stops_pays_each_text_as_far_as_it_has_come() -> None:
    studio, never = await Studio().open(), asyncio.Event()
    asked = await studio.ask_for(variants=3)
    studio.provider.scripts = [answer("Otters."), [NotAsked("The provider")], ["Herons", never]]
    # The second one is asked again as soon as the first has ended, and again in vain.
    studio.provider.scripts.append([NotAsked("The provider")])
    working = asyncio.create_task(studio.try_once())
    await until(lambda: len(studio.partial_texts.pieces) == 2 and not studio.provider.scripts)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    stopped, [lost] = await studio.generation(asked.id), ended(studio)
    assert (stopped.status, lost.failure, lost.uncounted) == ("queued", "lost", [3])
    assert (lost.input_tokens, lost.output_tokens) == (100 + asked.estimated_tokens, 10 + 2)


async def test_one_that_waits_to_be_asked_again_costs_nothing_when_the_worker_stops() -> None:
    studio, never = await Studio().open(), asyncio.Event()
    asked = await studio.ask_for(variants=2)
    studio.provider.scripts = [[NotAsked("The provider")], [never, NotAsked("The provider")]]
    working = asyncio.create_task(studio.try_once())
    await until(lambda: len(studio.provider.asked) == 2)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert [event.input_tokens for event in ended(studio)] == [asked.estimated_tokens]


async def test_an_answer_that_has_ended_costs_what_the_provider_says_though_its_text_is_not_kept_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    studio, asked_to_keep, kept = await Studio().open(), asyncio.Event(), asyncio.Event()
    asked = await studio.ask_for()

    async def append(*_: object) -> bool:
        asked_to_keep.set()
        return await kept.wait()

    monkeypatch.setattr(studio.partial_texts, "append", append)
    studio.provider.scripts = [["Otters.", asked_to_keep, AnswerEnd("complete", Usage(100, 10))]]
    working = asyncio.create_task(studio.try_once())
    await asked_to_keep.wait()
    await asyncio.sleep(0)
    working.cancel()
    await asyncio.sleep(0)
    kept.set()
    with pytest.raises(asyncio.CancelledError):
        await working
    [lost] = ended(studio)
    assert (lost.attempt, lost.input_tokens, lost.output_tokens, lost.uncounted) == (asked.attempt + 1, 100, 10, None)


def ended(studio: Studio) -> list[Generation.AttemptEnded]:
    """The attempts that have ended without a text."""
    return [event for event in studio.store.log if isinstance(event, Generation.AttemptEnded)]


async def test_one_is_accepted_as_one_save_at_the_place_that_was_asked_for() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [answer("Otters"), answer("sea")]
    asked = await studio.ask_for("passage", version=1, start=4, end=9, variants=2)
    await studio.work()
    accepted = await studio.ask(AcceptDraft(id=asked.id, variant=2), studio.ada)
    assert (accepted.result, accepted.text, accepted.revision, accepted.start, accepted.end) == (
        "written",
        "sea",
        2,
        4,
        7,
    )
    assert (await studio.document()).content == "The sea."
    with pytest.raises(NoDraft):
        await studio.ask(AcceptDraft(id=asked.id, variant=1), studio.ada)


async def test_one_is_accepted_at_another_place_where_the_document_has_changed() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for("passage", version=1, start=4, end=9, variants=2)
    await studio.work()
    await studio.ask(ChangeDocument(id=studio.document_id, content="Another."), studio.ada)
    with pytest.raises(PassageGone):
        await studio.ask(AcceptDraft(id=asked.id, variant=2), studio.ada)
    await studio.ask(AcceptDraft(id=asked.id, variant=2, placement=Placement()), studio.ada)
    assert (await studio.document()).content == "Another.\n\nOtters."


async def test_all_are_discarded_together() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for(variants=2)
    await studio.work()
    discarded = await studio.ask(DiscardDraft(id=asked.id), studio.ada)
    assert (discarded.result, discarded.text, discarded.texts) == ("discarded", "", [])


async def test_one_that_fails_is_paid_and_missing_and_the_others_are_kept() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [["12345678", AnswerCut("The provider")], answer("Herons.")]
    asked = await studio.ask_for(variants=2)
    await studio.work()
    done, budget = await studio.generation(asked.id), await studio.budget()
    assert (done.status, done.texts, done.endings) == ("done", ["", "Herons."], [None, "complete"])
    assert done.cost.tokens == budget.used_tokens == asked.estimated_tokens + 2 + 110
    with pytest.raises(NoDraft):
        await studio.ask(AcceptDraft(id=asked.id, variant=1), studio.ada)
    accepted = await studio.ask(AcceptDraft(id=asked.id, variant=2), studio.ada)
    assert (accepted.text, accepted.answered_by, accepted.ending) == ("Herons.", "swift", "complete")


@pytest.mark.parametrize(
    ("failures", "failure", "tries"),
    [
        ([Unavailable("The provider"), PromptRefused("content")], "unavailable", 1),
        ([PromptRefused("content"), AnswerCut("The provider")], "cut", 1),
        ([NotAsked("The provider"), NotAsked("The provider")], "unavailable", 0),
        ([NotAsked("The provider"), Unavailable("The provider")], "unavailable", 1),
        ([Unavailable("The provider"), AnswerCut("The provider")], "cut", 1),
        ([AnswerEnd("complete", Usage(100, 0)), AnswerCut("The provider")], "cut", 1),
    ],
)
async def test_when_all_fail_they_are_tried_again_if_one_may_succeed(
    failures: list[Line], failure: str, tries: int
) -> None:
    studio = await Studio().open()
    studio.provider.scripts = [[each] for each in failures]
    asked = await studio.ask_for(variants=2)
    with pytest.raises(Unavailable):
        await studio.try_once()
    waiting = await studio.generation(asked.id)
    assert (waiting.status, waiting.tries) == ("queued", tries)
    [ended] = [event for event in studio.store.log if isinstance(event, type(waiting).AttemptEnded)]
    assert ended.failure == failure
    await studio.work()
    assert (await studio.generation(asked.id)).texts == ["Otters.", "Otters."]


async def test_when_all_are_refused_the_generation_has_failed() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [[PromptRefused("content")], [PromptRefused("content")]]
    asked = await studio.ask_for(variants=2)
    await studio.work()
    failed = await studio.generation(asked.id)
    assert (failed.status, failed.failure, (await studio.budget()).reserved) == ("failed", "refused", {})


async def test_a_lost_attempt_is_charged_with_all_its_texts() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for(variants=2)
    studio.provider.scripts = [[RuntimeError("the worker is lost")], [asyncio.Event()]]
    for variant in (1, 2):
        await studio.partial_texts.append(AttemptText(asked.id, 1, variant), 0, "12345678")
    with pytest.raises(RuntimeError):
        await studio.try_once()
    assert studio.provider.closed == 1
    await studio.work()
    done = await studio.generation(asked.id)
    assert done.cost.tokens == 2 * (asked.estimated_tokens + 2) + 220


async def test_one_that_is_given_up_is_charged_with_all_its_prompts() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for(variants=3)
    await studio.ask(StartAttempt(generation_id=asked.id, round=1, lost_tokens=0, prompt_tokens=200), studio.ada)
    studio.now += RUNNING_TIME
    await studio.ask(ExpireGeneration(generation_id=asked.id))
    assert (await studio.generation(asked.id)).cost.tokens == (await studio.budget()).used_tokens == 600


@pytest.mark.parametrize("variants", [0, 6])
async def test_a_number_that_is_not_allowed_is_refused_with_the_limits(variants: int) -> None:
    studio = await Studio().open()
    with pytest.raises(UnusablePrompt, match=rf"1 to 5 variants .* not {variants}"):
        await studio.ask_for(variants=variants)


async def test_those_that_a_circuit_keeps_back_while_one_probes_are_asked_after_it() -> None:
    studio, now = await Studio().open(), [0.0]
    guarded = GuardedProvider(studio.provider, PlainModels(), lambda: now[0])
    studio.provider.scripts = [[Unavailable("The provider")] for _ in range(FAILURES_TO_OPEN)]
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(Unavailable):
            await anext(guarded.answer(Prompt("swift", (), 10)))
    now[0] += OPEN_SECONDS
    later = asyncio.Event()
    studio.provider.scripts = [["Ott", later, "ers.", AnswerEnd("complete", Usage(100, 10))]]
    asyncio.get_running_loop().call_later(0.05, later.set)
    asked = await studio.ask_for(variants=4)
    await studio._react()
    for job, _ in studio.jobs.waiting:
        await perform(job, {**studio.performer_ports, "provider": guarded})
    done = await studio.generation(asked.id)
    assert (done.status, done.texts, done.tries) == ("done", ["Otters."] * 4, 1)
    assert done.input_tokens == 400


async def test_those_that_could_not_be_asked_are_asked_again_once() -> None:
    studio = await Studio().open()
    keep_back: list[Line] = [NotAsked("The model")]
    studio.provider.scripts = [keep_back, answer("Otters."), keep_back, answer("Herons."), keep_back]
    asked = await studio.ask_for(variants=3)
    await studio.work()
    done = await studio.generation(asked.id)
    assert (sorted(done.texts), done.texts[1], done.input_tokens) == (["", "Herons.", "Otters."], "Otters.", 200)
    names = sorted(prompt.request_id or "" for prompt in studio.provider.asked)
    assert names == [f"{asked.id}-1-{number}" for number in (1, 1, 2, 3, 3)]


async def test_one_that_waits_to_be_asked_again_costs_nothing_when_the_rest_is_stopped() -> None:
    studio, written = await Studio().open(), asyncio.Event()
    studio.provider.scripts = [["12345678", written.set, asyncio.Event()], [NotAsked("The model")]]
    asked = await studio.ask_for(variants=2)
    working = asyncio.create_task(studio.work())
    await written.wait()
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    await working
    [stopped] = ended(studio)
    assert (stopped.input_tokens, stopped.output_tokens, stopped.uncounted) == (asked.estimated_tokens, 2, [1])


async def test_an_attempt_takes_no_longer_if_some_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "ANSWER_TIMEOUT", timedelta(seconds=1))
    studio, never = await Studio().open(), asyncio.Event()
    studio.provider.scripts = [answer("Otters."), [NotAsked("The model")], ["Her", never]]
    asked = await studio.ask_for(variants=2)
    await studio.work()
    done = await studio.generation(asked.id)
    assert (done.texts, done.input_tokens) == (["Otters.", ""], 100 + asked.estimated_tokens)
