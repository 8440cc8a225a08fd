"""Generations from the request to the saved text, on a store in memory, with a scripted provider."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from application.billing.budget import usage
from application.commands import Command
from application.content.document import ChangeDocument, RevokeShare, ShareDocument, TrashDocument
from application.generation import answering, attempting
from application.generation.attempts import ExpireGeneration, RecordAnswer, StartAttempt, TextUse, VariantAnswer
from application.generation.generation import (
    AcceptDraft,
    CancelGeneration,
    DeleteGeneration,
    DiscardDraft,
    GenerationView,
    RetryGeneration,
)
from application.generation.generation_jobs import ExpireGenerations, expire_generations
from application.generation.moderating import WithholdText
from application.jobs import JobFailed
from application.ports import (
    AnswerCut,
    AnswerEnd,
    AttemptText,
    Busy,
    InFlight,
    NotAsked,
    PromptRefused,
    Unavailable,
    UnknownModel,
    Usage,
)
from application.privacy.erasure import EraseDocument
from domain.access import RoleTooLow
from domain.billing.budget import ALLOWANCES, Allowance, Budget, BudgetExceeded, month_of
from domain.generation.generation import MAX_TRIES, RUNNING_TIME, WAITING_TIME, Generation
from domain.generation.placement import Placement
from domain.generation.refusals import (
    NoDraft,
    NotDeletable,
    NotRetryable,
    NotWaiting,
    PassageGone,
    PromptTooLong,
    UnusablePlacement,
    UnusablePrompt,
)
from domain.kernel import NotFound, Party
from tests.support.generations import MODELS, PlainTokens
from tests.support.studio import OUTPUT, Studio


def answer_of(id: UUID) -> RecordAnswer:
    """The command of a worker that has a text."""
    answer = VariantAnswer("Otters.", "complete", 100, 10, is_sandbox=False)
    return RecordAnswer(generation_id=id, attempt=1, answers=[answer])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep and watch without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(answering, "WATCH_SECONDS", 0.0)


async def test_a_request_becomes_one_save_of_the_document() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    assert asked.status == "queued"
    await studio.work()
    document, done = await studio.document(), await studio.generation(asked.id)
    assert (document.content, document.revision) == ("The river.\n\nOtters.", 2)
    assert (done.status, done.result, done.revision, done.text) == ("done", "written", 2, "Otters.")
    assert document.content[done.start : done.end] == "Otters."
    assert (done.input_tokens, done.output_tokens, done.cost_micros) == (100, 10, 120)


async def test_the_model_gets_the_document_and_the_parameters() -> None:
    studio = await Studio().open()
    await studio.ask_for(temperature=0.5)
    await studio.work()
    [prompt] = studio.provider.asked
    assert (prompt.model, prompt.max_output_tokens, prompt.temperature) == ("swift", OUTPUT, 0.5)
    assert [message.author for message in prompt.messages] == ["system", "user"]
    assert "The river." in prompt.messages[1].text
    assert "Describe it." in prompt.messages[1].text


async def test_a_request_reserves_and_its_end_settles() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    reserved = await studio.budget()
    assert reserved.reserved == {asked.id: [asked.estimated_tokens + OUTPUT, asked.estimated_micros]}
    await studio.work()
    settled = await studio.budget()
    assert (settled.reserved, settled.used_tokens, settled.used_micros) == ({}, 110, 120)
    seen = await usage(studio.store, studio.ada, studio.now)
    assert (seen.tokens.used, seen.tokens.reserved, seen.micros.used) == (110, 0, 120)
    assert seen.tokens.remaining == ALLOWANCES["free"].tokens - 110


async def test_a_provider_that_does_not_tell_its_usage_is_counted() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [["12345678", AnswerEnd("length", None)]]
    asked = await studio.ask_for()
    await studio.work()
    done = await studio.generation(asked.id)
    assert (done.input_tokens, done.output_tokens, done.ending) == (asked.estimated_tokens, 2, "length")


async def test_a_job_that_is_performed_again_changes_nothing() -> None:
    studio = await Studio().open()
    await studio.ask_for()
    await studio.work()
    before = len(studio.store.log)
    studio.see_again()
    await studio.work()
    assert len(studio.store.log) == before
    assert len(studio.provider.asked) == 1


async def test_an_answer_that_is_recorded_again_is_neither_written_nor_paid_again() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.work()
    before = len(studio.store.log)
    await studio.ask(answer_of(asked.id), studio.ada)
    assert len(studio.store.log) == before


async def test_a_repeated_request_asks_once() -> None:
    studio = await Studio().open()
    first, second = await studio.ask_for(key="k"), await studio.ask_for(key="k")
    assert first == second
    await studio.work()
    assert len(studio.provider.asked) == 1


async def test_the_provider_is_asked_again_after_an_outage() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [[Unavailable("The provider")]]
    asked = await studio.ask_for()
    with pytest.raises(Unavailable):
        await studio.try_once()
    waiting = await studio.generation(asked.id)
    assert (waiting.status, waiting.tries, waiting.cost_micros) == ("queued", 1, 0)
    await studio.work()
    done = await studio.generation(asked.id)
    assert (done.status, done.attempt, done.text) == ("done", 2, "Otters.")


async def test_a_document_that_has_grown_reserves_more_before_the_provider_is_asked() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.ask(ChangeDocument(id=studio.document_id, content="x" * 40_000), studio.ada)
    seen: list[int] = []
    written, go_on = asyncio.Event(), asyncio.Event()
    studio.provider.scripts = [[written.set, go_on, "Otters.", AnswerEnd("complete", Usage(10_000, 10))]]
    working = asyncio.create_task(studio.work())
    await written.wait()
    running = await studio.generation(asked.id)
    seen.append((await studio.budget()).reserved_tokens)
    go_on.set()
    await working
    assert running.estimated_tokens > 10_000
    assert seen == [running.estimated_tokens + OUTPUT]
    assert (await studio.budget()).reserved == {}


async def test_a_document_that_has_grown_beyond_the_model_is_not_sent() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.ask(ChangeDocument(id=studio.document_id, content="x" * 80_000), studio.ada)
    await studio.work()
    failed = await studio.generation(asked.id)
    assert (failed.status, failed.failure, studio.provider.asked) == ("failed", "too_long", [])
    assert (await studio.budget()).reserved == {}


async def test_a_document_that_has_grown_beyond_the_budget_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(5_000, 1_000_000))
    asked = await studio.ask_for()
    await studio.ask(ChangeDocument(id=studio.document_id, content="x" * 40_000), studio.ada)
    await studio.work()
    failed = await studio.generation(asked.id)
    assert (failed.status, failed.failure, studio.provider.asked) == ("failed", "budget", [])
    assert (await studio.budget()).reserved == {}


async def test_attempts_end_when_what_they_have_cost_leaves_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(asked.estimated_tokens + OUTPUT + 100, 1_000_000))
    studio.provider.scripts = [["12345678" * 100, AnswerCut("The provider")]]
    with pytest.raises(AnswerCut):
        await studio.try_once()
    await studio.work()
    failed, budget = await studio.generation(asked.id), await studio.budget()
    assert (failed.status, failed.failure, len(studio.provider.asked)) == ("failed", "budget", 1)
    assert (budget.used_tokens, budget.reserved) == (asked.estimated_tokens + 200, {})


async def test_an_attempt_that_does_not_ask_the_provider_is_no_try() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [[NotAsked("The provider")] for _ in range(MAX_TRIES + 1)]
    asked = await studio.ask_for()
    for _ in range(MAX_TRIES + 1):
        with pytest.raises(NotAsked):
            await studio.try_once()
    waiting = await studio.generation(asked.id)
    assert (waiting.status, waiting.tries, waiting.cost.tokens) == ("queued", 0, 0)
    await studio.work()
    assert (await studio.generation(asked.id)).status == "done"


async def test_a_worker_that_stops_ends_its_attempt_with_what_was_written() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    written, never = asyncio.Event(), asyncio.Event()
    studio.provider.scripts = [["12345678", written.set, never]]
    working = asyncio.create_task(studio.try_once())
    await written.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    stopped = await studio.generation(asked.id)
    assert (stopped.status, stopped.tries, stopped.attempt_is_open) == ("queued", 0, False)
    assert (await studio.budget()).used_tokens == stopped.cost.tokens == asked.estimated_tokens + 2


async def test_what_a_broken_answer_has_cost_is_charged() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [["12345678", AnswerCut("The provider")]]
    asked = await studio.ask_for()
    with pytest.raises(AnswerCut):
        await studio.try_once()
    budget = await studio.budget()
    assert (budget.used_tokens, [*budget.reserved]) == (asked.estimated_tokens + 2, [asked.id])
    await studio.work()
    done, settled = await studio.generation(asked.id), await studio.budget()
    assert (settled.used_tokens, settled.used_micros, settled.reserved) == (*(done.cost.tokens, done.cost_micros), {})
    assert done.cost.tokens == asked.estimated_tokens + 2 + 110


async def test_a_generation_is_dead_after_its_last_try_and_its_reservation_released() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [[Unavailable("The provider")] for _ in range(MAX_TRIES)]
    asked = await studio.ask_for()
    for _ in range(MAX_TRIES - 1):
        with pytest.raises(Unavailable):
            await studio.try_once()
    await studio.work()
    dead = await studio.generation(asked.id)
    assert (dead.status, dead.failure, (await studio.budget()).reserved) == ("dead", "unavailable", {})


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ([PromptRefused("content")], "refused"),
        ([UnknownModel("The model is gone.")], "refused"),
        (["  ", AnswerEnd("filtered", None)], "empty"),
    ],
)
async def test_what_a_repeat_cannot_mend_fails_at_once(script: list[object], failure: str) -> None:
    studio = await Studio().open()
    studio.provider.scripts = [script]  # type: ignore[list-item]
    asked = await studio.ask_for()
    await studio.work()
    failed = await studio.generation(asked.id)
    assert (failed.status, failed.failure, (await studio.budget()).reserved) == ("failed", failure, {})
    assert (await studio.document()).revision == 1


async def test_an_empty_answer_is_charged_with_what_the_provider_counted() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [[" ", AnswerEnd("length", Usage(100, 900))]]
    asked = await studio.ask_for()
    await studio.work()
    failed = await studio.generation(asked.id)
    assert (failed.failure, failed.cost.tokens, (await studio.budget()).used_tokens) == ("empty", 1_000, 1_000)


async def test_a_lost_attempt_is_charged_with_what_was_kept_of_it() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.partial_texts.append(AttemptText(asked.id, 1), 0, "12345678")
    studio.provider.scripts = [[RuntimeError("the worker is lost")]]
    with pytest.raises(RuntimeError):
        await studio.try_once()
    await studio.work()
    done = await studio.generation(asked.id)
    assert (done.status, done.attempt) == ("done", 2)
    assert done.cost.tokens == asked.estimated_tokens + 2 + 110
    assert (await studio.budget()).used_tokens == done.cost.tokens


async def test_texts_are_kept_while_they_are_written_and_forgotten_at_the_end() -> None:
    studio = await Studio().open()
    seen: list[str] = []
    asked = await studio.ask_for()

    def look() -> None:
        seen.append("".join(studio.partial_texts.pieces.values()))

    kept = asyncio.Event()
    append = studio.partial_texts.append

    async def appended(*args: object) -> bool:
        done = await append(*args)  # type: ignore[arg-type]
        kept.set()
        return done

    studio.partial_texts.append = appended  # type: ignore[assignment]
    studio.provider.scripts = [["Ott", kept, look, "ers.", AnswerEnd("complete", Usage(1, 1))]]
    await studio.work()
    assert seen == ["Ott"]
    assert (studio.partial_texts.pieces, studio.partial_texts.removed) == ({}, [asked.id])


async def test_cancelling_a_waiting_generation_releases_its_reservation() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    cancelled = await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    assert (cancelled.status, (await studio.budget()).reserved) == ("cancelled", {})
    await studio.work()
    assert studio.provider.asked == []
    assert await studio.ask(CancelGeneration(id=asked.id), studio.ada) == cancelled


async def test_cancelling_a_running_generation_stops_the_provider_and_charges_what_it_wrote() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    written, never = asyncio.Event(), asyncio.Event()
    studio.provider.scripts = [["12345678", written.set, never]]
    working = asyncio.create_task(studio.work())
    await written.wait()
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    await working
    ended = await studio.generation(asked.id)
    assert (ended.status, studio.provider.closed, ended.cost.tokens) == ("cancelled", 1, asked.estimated_tokens + 2)
    budget = await studio.budget()
    assert (budget.used_tokens, budget.reserved, (await studio.document()).revision) == (ended.cost.tokens, {}, 1)


async def test_an_answer_that_comes_after_a_cancel_is_paid_for_and_lets_the_asker_ask_again() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.ask(StartAttempt(generation_id=asked.id, round=1, lost_tokens=0, prompt_tokens=200), studio.ada)
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    await studio.ask(answer_of(asked.id), studio.ada)
    ended, budget = await studio.generation(asked.id), await studio.budget()
    assert (ended.status, ended.text, ended.cost.tokens, budget.used_tokens, budget.reserved) == (
        "cancelled",
        "",
        110,
        110,
        {},
    )
    assert (await studio.ask(RetryGeneration(id=asked.id), studio.ada)).status == "queued"


async def test_only_a_generation_that_is_under_way_can_be_cancelled() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.work()
    with pytest.raises(NotWaiting):
        await studio.ask(CancelGeneration(id=asked.id), studio.ada)


async def test_a_cancelled_generation_can_be_asked_for_again() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    again = await studio.ask(RetryGeneration(id=asked.id), studio.ada)
    assert (again.status, [*(await studio.budget()).reserved]) == ("queued", [asked.id])
    await studio.work()
    assert (await studio.generation(asked.id)).status == "done"
    assert len(studio.provider.asked) == 1  # the job of the first round has nothing to do
    with pytest.raises(NotRetryable):
        await studio.ask(RetryGeneration(id=asked.id), studio.ada)


async def test_another_round_has_the_terms_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    await studio.work()
    team = await studio.give_to_team()
    dear = replace(MODELS["swift"], input_price=3_000_000)
    monkeypatch.setitem(MODELS, "swift", dear)
    await studio.ask(ChangeDocument(id=studio.document_id, content="The river. " * 200), studio.ada)
    again = await studio.ask(RetryGeneration(id=asked.id), studio.ada)
    assert (again.payer_kind, again.payer_id) == ("team", team)
    assert again.estimated_tokens > asked.estimated_tokens + 500
    assert again.estimated_micros == dear.cost(again.estimated_tokens, OUTPUT)
    assert (await studio.budget()).reserved == {}
    await studio.work()
    paid = await studio.store.load(Budget, Budget.id_of(Party("team", team), month_of(studio.now)))
    assert paid is not None
    assert (paid.used_tokens, paid.used_micros, paid.reserved) == (110, 320, {})


async def test_another_round_needs_a_prompt_that_the_model_takes() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    await studio.ask(ChangeDocument(id=studio.document_id, content="x" * 100_000), studio.ada)
    with pytest.raises(PromptTooLong):
        await studio.ask(RetryGeneration(id=asked.id), studio.ada)


@pytest.mark.parametrize(
    ("place", "content"),
    [
        ({"target": "append"}, "The river.\n\nOtters."),
        ({"target": "replace"}, "Otters."),
        ({"target": "passage", "version": 1, "start": 4, "end": 9}, "The Otters.."),
        ({"target": "insert", "version": 1, "start": 4}, "The Otters.river."),
    ],
)
async def test_a_text_goes_to_its_place(place: dict[str, object], content: str) -> None:
    studio = await Studio().open()
    asked = await studio.ask_for(**place)  # type: ignore[arg-type]
    await studio.work()
    document, done = await studio.document(), await studio.generation(asked.id)
    assert document.content == content
    assert document.content[done.start : done.end] == "Otters."


@pytest.mark.parametrize(
    "place",
    [{"target": "replace"}, {"target": "passage", "version": 1, "start": 4, "end": 9}],
    ids=lambda place: place["target"],
)
async def test_a_text_for_a_document_that_has_changed_is_kept_as_a_draft(place: dict[str, object]) -> None:
    studio = await Studio().open()
    asked = await studio.ask_for(**place)  # type: ignore[arg-type]
    await studio.ask(ChangeDocument(id=studio.document_id, content="Another."), studio.ada)
    await studio.work()
    done = await studio.generation(asked.id)
    assert (done.status, done.result, done.draft_reason, done.text) == ("done", "draft", "document_changed", "Otters.")
    assert (await studio.document()).content == "Another."


async def test_a_text_is_appended_to_a_document_that_has_changed() -> None:
    studio = await Studio().open()
    await studio.ask_for()
    await studio.ask(ChangeDocument(id=studio.document_id, content="Another."), studio.ada)
    await studio.work()
    assert (await studio.document()).content == "Another.\n\nOtters."


async def test_a_text_that_no_longer_fits_is_kept_as_a_draft() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    written, go_on = asyncio.Event(), asyncio.Event()
    studio.provider.scripts = [["Otters.", written.set, go_on, AnswerEnd("complete", Usage(1, 1))]]
    working = asyncio.create_task(studio.work())
    await written.wait()
    await studio.ask(ChangeDocument(id=studio.document_id, content="x" * 999_999), studio.ada)
    go_on.set()
    await working
    assert (await studio.generation(asked.id)).draft_reason == "too_long"


async def test_a_text_for_a_document_that_was_trashed_meanwhile_is_kept_as_a_draft() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    written, go_on = asyncio.Event(), asyncio.Event()
    studio.provider.scripts = [["Otters.", written.set, go_on, AnswerEnd("complete", Usage(1, 1))]]
    working = asyncio.create_task(studio.work())
    await written.wait()
    await studio.ask(TrashDocument(id=studio.document_id), studio.ada)
    go_on.set()
    await working
    done = await studio.generation(asked.id)
    assert (done.result, done.draft_reason) == ("draft", "document_closed")


async def test_an_editor_who_has_lost_the_role_gets_nothing_written() -> None:
    studio = await Studio().open()
    bob = await studio.actor("bob@example.org")
    await studio.ask(ShareDocument(id=studio.document_id, email="bob@example.org", role="editor"), studio.ada)
    asked = await studio.ask_for(by=bob)
    await studio.ask(RevokeShare(id=studio.document_id, email="bob@example.org"), studio.ada)
    await studio.work()
    ended = await studio.generation(asked.id)
    assert (ended.status, ended.failure, studio.provider.asked) == ("failed", "no_access", [])
    assert (await studio.document()).revision == 1


async def test_an_editor_pays_from_an_own_budget() -> None:
    studio = await Studio().open()
    bob = await studio.actor("bob@example.org")
    await studio.ask(ShareDocument(id=studio.document_id, email="bob@example.org", role="editor"), studio.ada)
    await studio.ask_for(by=bob)
    await studio.work()
    assert (await usage(studio.store, bob, studio.now)).tokens.used == 110
    assert (await usage(studio.store, studio.ada, studio.now)).tokens.used == 0


async def test_a_viewer_asks_for_nothing_and_a_stranger_finds_no_document() -> None:
    studio = await Studio().open()
    bob, eve = await studio.actor("bob@example.org"), await studio.actor("eve@example.org")
    await studio.ask(ShareDocument(id=studio.document_id, email="bob@example.org", role="viewer"), studio.ada)
    with pytest.raises(RoleTooLow):
        await studio.ask_for(by=bob)
    with pytest.raises(NotFound):
        await studio.ask_for(by=eve)


async def test_only_the_asker_sees_and_changes_a_generation() -> None:
    studio = await Studio().open()
    bob = await studio.actor("bob@example.org")
    await studio.ask(ShareDocument(id=studio.document_id, email="bob@example.org", role="editor"), studio.ada)
    asked = await studio.ask_for()
    for command in (CancelGeneration, RetryGeneration, DiscardDraft):
        with pytest.raises(NotFound):
            await studio.ask(command(id=asked.id), bob)
    with pytest.raises(NotFound):
        await studio.ask(AcceptDraft(id=asked.id, placement=Placement()), bob)


async def test_a_draft_is_written_when_it_is_accepted() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for("draft")
    await studio.work()
    assert ((await studio.document()).revision, (await studio.generation(asked.id)).draft_reason) == (1, "asked")
    place = Placement("insert", 1, 0)
    accepted = await studio.ask(AcceptDraft(id=asked.id, placement=place), studio.ada)
    assert (accepted.result, accepted.revision, accepted.start, accepted.end) == ("written", 2, 0, 7)
    assert (await studio.document()).content == "Otters.The river."
    with pytest.raises(NoDraft):
        await studio.ask(AcceptDraft(id=asked.id, placement=Placement()), studio.ada)


async def test_a_draft_for_a_place_that_is_gone_stays_a_draft() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for("draft")
    await studio.work()
    with pytest.raises(PassageGone):
        await studio.ask(AcceptDraft(id=asked.id, placement=Placement("insert", 7, 0)), studio.ada)
    assert (await studio.generation(asked.id)).result == "draft"


async def test_a_discarded_draft_shows_its_text_no_more() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for("draft")
    await studio.work()
    discarded = await studio.ask(DiscardDraft(id=asked.id), studio.ada)
    assert (discarded.result, discarded.text) == ("discarded", "")
    assert await studio.ask(DiscardDraft(id=asked.id), studio.ada) == discarded
    with pytest.raises(NoDraft):
        await studio.ask(AcceptDraft(id=asked.id, placement=Placement()), studio.ada)


@pytest.mark.parametrize("is_running", [False, True])
async def test_a_generation_that_no_worker_ended_in_time_is_given_up(is_running: bool) -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    if is_running:
        await studio.ask(StartAttempt(generation_id=asked.id, round=1, lost_tokens=0, prompt_tokens=200), studio.ada)
    patience = RUNNING_TIME if is_running else WAITING_TIME
    studio.now += patience - timedelta(seconds=1)
    await studio.ask(ExpireGeneration(generation_id=asked.id))
    assert (await studio.generation(asked.id)).is_open
    studio.now += timedelta(seconds=1)
    await studio.ask(ExpireGeneration(generation_id=asked.id))
    dead, budget = await studio.generation(asked.id), await studio.budget()
    assert (dead.status, dead.failure, dead.attempt_is_open, budget.reserved) == ("dead", "lost", False, {})
    assert budget.used_tokens == dead.cost.tokens == (200 if is_running else 0)
    assert (await studio.ask(RetryGeneration(id=asked.id), studio.ada)).status == "queued"


async def test_a_generation_that_waits_for_its_next_attempt_is_not_lost() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [[Unavailable("The provider", 3_600)]]
    asked = await studio.ask_for()
    with pytest.raises(Unavailable):
        await studio.try_once()
    studio.now += timedelta(hours=1)
    await studio.ask(ExpireGeneration(generation_id=asked.id))
    await studio.work()
    assert (await studio.generation(asked.id)).status == "done"


async def test_a_generation_that_cannot_be_read_keeps_no_other_from_being_given_up() -> None:
    studio = await Studio().open()
    damaged, other = await studio.ask_for(), await studio.ask_for()
    studio.now += WAITING_TIME
    studio.store.unreadable = {damaged.id}

    class Both:
        async def lost(self, now: datetime) -> list[UUID]:
            return [damaged.id, other.id]

    async def send(command: Command[Any], key: str) -> Any:
        return await studio.ask(command)

    with pytest.raises(JobFailed):
        await expire_generations(
            ExpireGenerations(), Both(), studio.store, studio.partial_texts, PlainTokens(), send, studio.clock
        )
    assert (await studio.generation(other.id)).status == "dead"


async def test_the_reservation_of_an_erased_generation_is_released_by_its_job() -> None:
    studio = await Studio().open()
    bob = await studio.actor("bob@example.org")
    await studio.ask(ShareDocument(id=studio.document_id, email="bob@example.org", role="editor"), studio.ada)
    asked = await studio.ask_for(by=bob)
    await studio.ask(EraseDocument(id=studio.document_id))
    assert (await studio.generation(asked.id)).erased
    await studio.work()
    assert ((await usage(studio.store, bob, studio.now)).tokens.reserved, studio.provider.asked) == (0, [])


async def test_a_running_generation_that_is_erased_stops_the_provider() -> None:
    studio = await Studio().open()
    await studio.ask_for()
    written, never = asyncio.Event(), asyncio.Event()
    studio.provider.scripts = [["12345678", written.set, never]]
    working = asyncio.create_task(studio.work())
    await written.wait()
    await studio.ask(EraseDocument(id=studio.document_id))
    await working
    assert (studio.provider.closed, (await studio.budget()).reserved) == (1, {})


async def test_a_text_that_is_erased_while_it_is_written_is_paid_for() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    written = asyncio.Event()
    studio.provider.scripts = [["12345678", written.set, asyncio.Event()]]
    working = asyncio.create_task(studio.work())
    await written.wait()
    await studio.ask(EraseDocument(id=studio.document_id))
    await working
    erased, budget = await studio.generation(asked.id), await studio.budget()
    assert (erased.erased, erased.attempt_is_open, budget.reserved) == (True, False, {})
    assert budget.used_tokens == erased.cost.tokens == asked.estimated_tokens + 2


async def erased_meanwhile(studio: Studio) -> GenerationView:
    """A generation whose document is erased during its first attempt."""
    asked = await studio.ask_for()
    start = StartAttempt(generation_id=asked.id, round=1, lost_tokens=0, prompt_tokens=asked.estimated_tokens)
    await studio.ask(start, studio.ada)
    await studio.ask(EraseDocument(id=studio.document_id))
    return asked


async def test_an_answer_that_comes_after_the_erasure_is_paid_for_once() -> None:
    studio = await Studio().open()
    asked = await erased_meanwhile(studio)
    for _ in range(2):
        await studio.send(answer_of(asked.id), studio.ada, "answer")
    budget = await studio.budget()
    assert (budget.used_tokens, budget.used_micros, budget.reserved) == (110, 120, {})


async def test_an_erased_text_whose_refusal_comes_late_is_paid_for() -> None:
    studio = await Studio().open()
    asked = await erased_meanwhile(studio)
    refusal = WithholdText(
        generation_id=asked.id, attempt=1, refused="unsafe_text", categories=("hate",), used=[TextUse(100, 10)]
    )
    await studio.ask(refusal, studio.ada)
    budget = await studio.budget()
    assert (budget.used_tokens, budget.used_micros, budget.reserved) == (110, 120, {})
    assert "generation.text_refused" not in studio.happened()


async def test_an_erased_text_of_a_lost_worker_costs_the_most_that_it_may_have_cost() -> None:
    studio = await Studio().open()
    asked = await erased_meanwhile(studio)
    await studio.work()
    budget = await studio.budget()
    assert (budget.used_tokens, budget.reserved) == (asked.estimated_tokens + OUTPUT, {})
    assert studio.provider.asked == []


async def test_a_text_of_an_attempt_that_expires_is_paid_for() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    start = StartAttempt(generation_id=asked.id, round=1, lost_tokens=0, prompt_tokens=asked.estimated_tokens)
    await studio.ask(start, studio.ada)
    await studio.partial_texts.append(AttemptText(asked.id, 1), 0, "12345678")
    studio.now += RUNNING_TIME

    class One:
        async def lost(self, now: datetime) -> list[UUID]:
            return [asked.id]

    async def send(command: Command[Any], key: str) -> Any:
        return await studio.ask(command)

    partial_texts, tokens = studio.partial_texts, PlainTokens()
    await expire_generations(ExpireGenerations(), One(), studio.store, partial_texts, tokens, send, studio.clock)
    dead, budget = await studio.generation(asked.id), await studio.budget()
    assert (dead.status, dead.output_tokens) == ("dead", 2)
    assert budget.used_tokens == asked.estimated_tokens + 2


@pytest.mark.parametrize("failure", [Unavailable("The database"), Busy("Others write."), InFlight("It is under way.")])
async def test_an_answer_is_stored_after_an_outage_and_the_provider_not_asked_again(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempting, "STORE_PAUSES", (0.0, 0.0))
    studio = await Studio().open()
    asked = await studio.ask_for()
    append, failures = studio.store.append, [failure] * 2

    async def failing(changes: Any, call: Any, idempotency: Any, judged_by: Any = None) -> Any:
        if failures and any(
            isinstance(event, Generation.Answered) for root in changes for event in root.pending_events
        ):
            raise failures.pop()
        return await append(changes, call, idempotency, judged_by)

    studio.store.append = failing  # type: ignore[method-assign]
    await studio.work()
    assert ((await studio.generation(asked.id)).status, len(studio.provider.asked), failures) == ("done", 1, [])


async def test_an_attempt_whose_start_is_not_answered_is_made_and_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempting, "STORE_PAUSES", (0.0, 0.0))
    studio = await Studio().open()
    asked = await studio.ask_for()
    append, lost = studio.store.append, [Unavailable("The database")]

    async def losing(changes: Any, call: Any, idempotency: Any, judged_by: Any = None) -> Any:
        starts = any(isinstance(each, Generation.AttemptStarted) for root in changes for each in root.pending_events)
        answer = await append(changes, call, idempotency, judged_by)
        if starts and lost:
            raise lost.pop()
        return answer

    studio.store.append = losing  # type: ignore[method-assign]
    await studio.work()
    done = await studio.generation(asked.id)
    assert (done.status, done.attempt, done.cost.tokens, lost) == ("done", 1, 110, [])


async def test_a_hundred_requests_at_once_at_a_budget_for_one_give_one() -> None:
    studio = await Studio().open()

    async def one() -> bool:
        try:
            await studio.ask_for(max_output_tokens=4_000)
        except (BudgetExceeded, Busy):
            return False
        return True

    first, allowed = await studio.ask_for(max_output_tokens=4_000), ALLOWANCES["free"]
    tokens = first.estimated_tokens + 4_000
    for _ in range(min(allowed.tokens // tokens, allowed.micros // first.estimated_micros) - 2):
        assert await one()
    assert sum(await asyncio.gather(*[one() for _ in range(100)])) == 1
    assert (await studio.budget()).reserved_tokens <= allowed.tokens


async def test_the_next_month_has_a_budget_of_its_own() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    november = await studio.budget()
    studio.now += timedelta(days=30)
    await studio.work()
    settled = await studio.store.load(Budget, november.id)
    assert settled is not None
    assert (settled.reserved, settled.used_tokens) == ({}, (await studio.generation(asked.id)).cost.tokens)
    assert (await usage(studio.store, studio.ada, studio.now)).tokens.used == 0


async def test_requests_that_cannot_be_met_reserve_nothing() -> None:
    studio = await Studio().open()
    before = len(studio.store.log)
    for refusal, wish in [
        (UnknownModel, {"model": "huge"}),
        (UnusablePrompt, {"prompt": " "}),
        (UnusablePrompt, {"variables": {"a b": "x"}}),
        (UnusablePrompt, {"max_output_tokens": 5_000}),
        (UnusablePrompt, {"model": "small", "max_output_tokens": 100, "temperature": 1.0}),
        (PromptTooLong, {"model": "small", "prompt": "x" * 5_000, "max_output_tokens": 100}),
        (UnusablePlacement, {"target": "insert", "version": 1}),
        (UnusablePlacement, {"target": "passage", "version": 1, "start": 5, "end": 99}),
        (PassageGone, {"target": "insert", "version": 9, "start": 0}),
    ]:
        with pytest.raises(refusal):
            await studio.ask_for(**wish)  # type: ignore[arg-type]
    assert len(studio.store.log) == before


async def test_a_dead_generation_is_listed_tried_again_or_deleted_with_its_prompt() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    studio.now += WAITING_TIME
    await studio.send(ExpireGeneration(generation_id=asked.id))
    assert (await studio.generation(asked.id)).status == "dead"
    await studio.ask(DeleteGeneration(id=asked.id), studio.ada)
    erased = await studio.generation(asked.id)
    assert (erased.erased, erased.is_open) == (True, False)
    with pytest.raises(NotFound):
        await studio.ask(RetryGeneration(id=asked.id), studio.ada)
    await studio.work()
    assert studio.provider.asked == []
    assert (await studio.budget()).reserved == {}


async def test_a_generation_that_is_under_way_or_has_a_text_is_not_deleted() -> None:
    studio = await Studio().open()
    waiting = await studio.ask_for()
    with pytest.raises(NotDeletable, match="queued"):
        await studio.ask(DeleteGeneration(id=waiting.id), studio.ada)
    await studio.work()
    with pytest.raises(NotDeletable, match="done"):
        await studio.ask(DeleteGeneration(id=waiting.id), studio.ada)


async def test_a_draft_is_deleted_once_it_is_discarded() -> None:
    studio = await Studio().open()
    draft = await studio.ask_for("draft")
    await studio.work()
    with pytest.raises(NotDeletable):
        await studio.ask(DeleteGeneration(id=draft.id), studio.ada)
    await studio.ask(DiscardDraft(id=draft.id), studio.ada)
    await studio.ask(DeleteGeneration(id=draft.id), studio.ada)
    assert (await studio.generation(draft.id)).erased


async def test_the_attempt_of_a_cancelled_generation_ends_before_it_is_deleted() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.ask(
        StartAttempt(generation_id=asked.id, round=1, lost_tokens=0, prompt_tokens=asked.estimated_tokens), studio.ada
    )
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    with pytest.raises(NotDeletable):
        await studio.ask(DeleteGeneration(id=asked.id), studio.ada)


async def test_only_the_asker_deletes_a_generation() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    with pytest.raises(NotFound):
        await studio.ask(DeleteGeneration(id=asked.id), await studio.actor("bob@example.org"))


async def test_a_job_loads_the_generation_and_its_document_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "WATCH_SECONDS", 60.0)
    studio = await Studio().open()
    await studio.ask_for()
    loaded: list[str] = []
    load = studio.store.load

    async def note(kind: Any, id: UUID, *, version: int | None = None) -> Any:
        loaded.append(kind.TOPIC)
        return await load(kind, id, version=version)

    monkeypatch.setattr(studio.store, "load", note)
    await studio.try_once()
    assert "generation.answered" in studio.happened()
    assert loaded == ["generation", "document", "budget", "subscription", "budget"]
