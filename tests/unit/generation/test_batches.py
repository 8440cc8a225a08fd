"""Texts in batches, from the request to the saved text, with a server of batches in memory."""

from datetime import timedelta
from uuid import UUID

import pytest

from application.content.document import ChangeDocument
from application.generation import answering
from application.generation.batch_following import LOST_AFTER, ORPHANED_AFTER
from application.generation.generation import CancelGeneration, DiscardDraft, RetryGeneration
from application.generation.generation_jobs import ExpireGenerations, expire_generations
from application.generation.provider_key import DeleteProviderKey, SaveProviderKey
from application.generation.receipt import receipt
from application.jobs import JobFailed
from application.ports import NotSettled, Unavailable
from application.privacy.erasure import EraseDocument
from domain.billing.budget import ALLOWANCES, Allowance, Budget
from domain.generation.generation import Generation
from domain.generation.refusals import UnusablePrompt
from domain.generation.urgency import BATCH_TIME, BATCH_WINDOW
from domain.kernel import Root
from tests.support.batch_server import failed, result, result_of
from tests.support.batch_studio import BatchStudio, Killed
from tests.support.provider_servers import KEY
from tests.support.studio import OUTPUT

TEXT = "Otters hold hands."


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep and watch without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)


async def opened() -> BatchStudio:
    studio = BatchStudio()
    await studio.open()
    return studio


def events_of(studio: BatchStudio, kind: type[Root.Event]) -> list[Root.Event]:
    return [event for event in studio.store.log if isinstance(event, kind)]


async def test_a_text_of_a_batch_becomes_one_save_at_half_the_price() -> None:
    studio = await opened()
    asked = await studio.ask_for_batch()
    assert (asked.status, asked.urgency, asked.batch) == ("queued", "batch", "waiting")
    assert asked.latest_at == studio.now + BATCH_TIME
    assert asked.place is None
    await studio.work()
    assert studio.provider.asked == []
    await studio.submit()
    submitted = await studio.generation(asked.id)
    assert (submitted.status, submitted.batch, submitted.attempt) == ("queued", "submitted", 1)
    await studio.follow()
    document, done = await studio.document(), await studio.generation(asked.id)
    assert (document.content, document.revision) == (f"The river.\n\n{TEXT}", 2)
    assert (done.status, done.result, done.text, done.batch) == ("done", "written", TEXT, None)
    assert (done.input_tokens, done.output_tokens, done.cost_micros) == (12, 5, 11)
    assert studio.server.files == {}


async def test_the_lower_price_is_estimated_reserved_and_settled() -> None:
    studio = await opened()
    now, later = await studio.ask_for(), await studio.ask_for_batch()
    assert later.estimated_micros == -(-now.estimated_micros // 2)
    reserved = (await studio.budget()).reserved
    assert reserved[later.id] == [later.estimated_tokens + OUTPUT, later.estimated_micros]
    await studio.go_through()
    budget = await studio.budget()
    assert [*budget.reserved] == [now.id]
    assert budget.used_micros == 11


async def test_a_reservation_is_kept_while_the_provider_writes() -> None:
    studio = await opened()
    studio.server.is_held = True
    asked = await studio.ask_for_batch()
    await studio.go_through()
    await studio.go_on(hours=23)
    await studio.follow()
    assert (await studio.budget()).reserved[asked.id][1] == asked.estimated_micros


async def test_a_model_without_batch_prices_refuses() -> None:
    studio = await opened()
    with pytest.raises(UnusablePrompt, match="takes no batches"):
        await studio.ask_for_batch(model="small", max_output_tokens=100)


async def test_texts_of_one_model_share_a_batch_and_those_of_others_do_not() -> None:
    studio = await opened()
    for model in ("swift", "thrifty", "swift"):
        await studio.ask_for_batch(model=model, target="draft")
    await studio.submit()
    assert sorted(len(studio.server.lines(batch)) for batch in studio.server.batches.values()) == [1, 2]
    await studio.follow()
    assert len(events_of(studio, Generation.Answered)) == 3


async def test_a_full_batch_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await opened()
    monkeypatch.setattr("application.generation.batching.MAX_TEXTS", 2)
    monkeypatch.setattr("application.generation.batching.AT_ONCE", 1)
    for _ in range(3):
        await studio.ask_for_batch(target="draft")
    await studio.submit()
    assert [len(studio.server.lines(batch)) for batch in studio.server.batches.values()] == [2, 1]


@pytest.mark.parametrize(
    ("cap", "most", "sizes"),
    [
        ("MAX_TEXTS", 5, [4, 2]),
        ("MAX_TEXTS", 1, [2, 2, 2]),
        ("MAX_CHARACTERS", 50_000, [4, 2]),
        ("MAX_OUTPUT_TOKENS", 5 * OUTPUT, [4, 2]),
    ],
)
async def test_what_would_overfill_a_batch_is_in_the_next_one(
    cap: str, most: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = await opened()
    for _ in range(3):
        prompt = "Otters. " * (10_000 // 8)
        await studio.ask_for_batch(target="draft", variants=2, prompt=prompt, max_output_tokens=OUTPUT)
    monkeypatch.setattr(f"application.generation.batching.{cap}", most)
    await studio.submit()
    assert [len(studio.server.lines(batch)) for batch in studio.server.batches.values()] == sizes


async def test_variants_are_lines_of_the_same_batch() -> None:
    studio = await opened()
    studio.server.write = lambda line: result_of(line, f"Otters {line['custom_id'][-1]}.")
    asked = await studio.ask_for_batch(variants=3)
    await studio.go_through()
    assert (await studio.generation(asked.id)).texts == ["Otters 1.", "Otters 2.", "Otters 3."]


async def test_what_is_cancelled_before_it_is_sent_is_not_paid() -> None:
    studio = await opened()
    asked = await studio.ask_for_batch()
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    await studio.go_through()
    assert studio.server.batches == {}
    budget = await studio.budget()
    assert (budget.reserved, budget.used_micros) == ({}, 0)


async def test_a_text_that_is_cancelled_in_its_batch_is_paid_and_not_written() -> None:
    studio = await opened()
    studio.server.is_held = True
    first, second = await studio.ask_for_batch(), await studio.ask_for_batch()
    await studio.submit()
    await studio.ask(CancelGeneration(id=first.id), studio.ada)
    await studio.follow()
    studio.server.is_held = False
    await studio.follow()
    cancelled = await studio.generation(first.id)
    assert (cancelled.status, cancelled.attempt_is_open, cancelled.cost_micros, cancelled.texts) == (
        "cancelled",
        False,
        11,
        [],
    )
    assert (await studio.generation(second.id)).status == "done"
    assert (await studio.document()).content.count(TEXT) == 1
    assert (await studio.budget()).used_micros == 22


async def test_a_batch_that_nobody_waits_for_is_cancelled() -> None:
    studio = await opened()
    studio.server.is_held = True
    asked = await studio.ask_for_batch()
    await studio.submit()
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    await studio.follow()
    assert [batch["status"] for batch in studio.server.batches.values()] == ["cancelling"]
    await studio.follow()
    assert not (await studio.generation(asked.id)).attempt_is_open
    assert (await studio.budget()).used_micros == 0
    assert studio.server.files == {}


async def test_a_text_that_was_erased_in_its_batch_is_paid_and_its_files_are_deleted() -> None:
    studio = await opened()
    asked = await studio.ask_for_batch()
    await studio.submit()
    await studio.ask(EraseDocument(id=studio.document_id), studio.ada)
    assert (await studio.generation(asked.id)).erased
    await studio.follow()
    assert not (await studio.generation(asked.id)).attempt_is_open
    assert studio.server.files == {}


@pytest.mark.parametrize("status", ["expired", "failed", "cancelled"])
async def test_a_text_that_a_batch_did_not_write_is_sent_again(status: str) -> None:
    studio = await opened()
    studio.server.is_held = True
    asked = await studio.ask_for_batch()
    await studio.submit()
    [batch] = studio.server.batches.values()
    lost = [] if status == "failed" else [failed(f"{asked.id}-1", f"batch_{status}")]
    studio.server.end(batch, status, [], lost)
    await studio.follow()
    waiting = await studio.generation(asked.id)
    assert (waiting.batch, waiting.tries, waiting.cost_micros) == ("waiting", 1, 0)
    studio.server.is_held = False
    await studio.go_through()
    assert (await studio.generation(asked.id)).status == "done"


async def test_a_text_that_no_batch_writes_is_given_up_and_its_asker_is_told() -> None:
    studio = await opened()
    studio.server.write = lambda line: failed(line["custom_id"], "server_error")
    asked = await studio.ask_for_batch()
    while (await studio.generation(asked.id)).is_open:
        await studio.go_through()
    given_up = await studio.generation(asked.id)
    assert (given_up.status, given_up.failure, given_up.tries) == ("dead", "unavailable", 6)
    assert [mail.template for mail in await studio.work()] == ["generation_dead"]


async def test_no_batch_begins_that_would_end_too_late() -> None:
    studio = await opened()
    asked = await studio.ask_for_batch()
    studio.now += BATCH_TIME - BATCH_WINDOW + timedelta(seconds=1)
    await studio.submit()
    assert studio.server.batches == {}
    late = await studio.generation(asked.id)
    assert (late.status, late.failure) == ("dead", "unavailable")


async def test_a_text_is_given_up_at_its_latest_time_and_not_before() -> None:
    studio = await opened()
    studio.server.is_held = True
    asked = await studio.ask_for_batch()
    await studio.submit()
    for hours, status in ((49, "queued"), (2, "dead")):
        await studio.go_on(hours)
        await expire(studio, asked.id)
        assert (await studio.generation(asked.id)).status == status
    assert (await studio.generation(asked.id)).cost_micros > 0, "the provider may have written it"


async def expire(studio: BatchStudio, id: UUID) -> None:
    """Perform the job that gives lost generations up."""

    class Unfinished:
        async def lost(self, now: object) -> list[UUID]:
            return [id]

    ports = studio.performer_ports
    names = ("events", "partial_texts", "tokens", "send", "clock")
    await expire_generations(ExpireGenerations(), Unfinished(), **{name: ports[name] for name in names})  # type: ignore[arg-type]


async def test_moderation_refuses_a_text_of_a_batch() -> None:
    studio = await opened()
    studio.moderation.refused = {"hold hands": ("violence",)}
    asked = await studio.ask_for_batch()
    await studio.go_through()
    refused = await studio.generation(asked.id)
    assert (refused.status, refused.refused, refused.categories, refused.cost_micros) == (
        "failed",
        "unsafe_text",
        ["violence"],
        11,
    )


async def test_a_prompt_that_moderation_refuses_is_not_sent() -> None:
    studio = await opened()
    studio.moderation.refused = {"Describe it.": ("hate",)}
    asked = await studio.ask_for_batch()
    await studio.go_through()
    assert studio.server.batches == {}
    assert (await studio.generation(asked.id)).refused == "unsafe_prompt"


async def test_a_text_waits_at_the_provider_until_moderation_answers() -> None:
    studio = await opened()
    asked = await studio.ask_for_batch()
    await studio.submit()
    studio.moderation.outages = [Unavailable("Moderation")]
    with pytest.raises(Unavailable):
        await studio.follow()
    assert (await studio.generation(asked.id)).batch == "submitted"
    assert len(studio.server.files) == 2
    await studio.follow()
    assert (await studio.generation(asked.id)).status == "done"


async def test_a_text_that_repeats_the_rules_is_withheld() -> None:
    studio = await opened()
    studio.server.write = lambda line: result_of(line, line["body"]["messages"][0]["content"])
    asked = await studio.ask_for_batch()
    await studio.go_through()
    assert (await studio.generation(asked.id)).refused == "leaked_rules"
    assert not studio.partial_texts.pieces


async def test_a_document_that_changed_meanwhile_keeps_the_text_as_a_draft() -> None:
    studio = await opened()
    asked = await studio.ask_for_batch(target="insert", version=1, start=0)
    await studio.submit()
    document = await studio.document()
    await studio.ask(ChangeDocument(id=document.id, content="A lake."), studio.ada)
    await studio.follow()
    kept = await studio.generation(asked.id)
    assert (kept.result, kept.draft_reason) == ("draft", "document_changed")
    await studio.ask(DiscardDraft(id=asked.id), studio.ada)
    again = await studio.ask(RetryGeneration(id=asked.id), studio.ada)
    assert (again.batch, again.latest_at) == ("waiting", studio.now + BATCH_TIME)


async def test_a_refused_line_fails_and_others_are_written() -> None:
    studio = await opened()
    refused, other = await studio.ask_for_batch(), await studio.ask_for_batch()

    def write(line: object) -> object:
        name = line["custom_id"]  # type: ignore[index]
        if name.startswith(str(refused.id)):
            return result(name, {"error": {"code": "invalid_prompt", "message": "No."}}, 400)
        return result_of(line, TEXT)  # type: ignore[arg-type]

    studio.server.write = write  # type: ignore[assignment]
    await studio.go_through()
    assert (await studio.generation(refused.id)).failure == "refused"
    assert (await studio.generation(other.id)).status == "done"


async def test_a_missing_line_of_a_whole_batch_is_charged_by_our_count() -> None:
    studio = await opened()
    studio.server.is_held = True
    asked = await studio.ask_for_batch()
    await studio.submit()
    [batch] = studio.server.batches.values()
    studio.server.end(batch, "completed", [], [])
    await studio.follow()
    [ended] = events_of(studio, Generation.AttemptEnded)
    assert isinstance(ended, Generation.AttemptEnded)
    assert (ended.failure, ended.uncounted, ended.input_tokens) == ("cut", [1], asked.estimated_tokens)


async def test_usage_that_cannot_be_is_replaced_by_our_count() -> None:
    studio = await opened()
    studio.server.write = lambda line: result_of(line, TEXT, -1, "many")
    asked = await studio.ask_for_batch()
    await studio.go_through()
    done = await studio.generation(asked.id)
    assert (done.status, done.input_tokens) == ("done", asked.estimated_tokens)


STEPS = ("since", "StartAttempt", "upload", "begin", "results", "RecordAnswer", "clear")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_worker_that_dies_at_any_step_loses_nothing_and_pays_nothing_twice(step: str, moment: str) -> None:
    studio = await opened()
    billed: list[str] = []
    studio.server.took = lambda lines: billed.extend(line["custom_id"] for line in lines)
    asked = [await studio.ask_for_batch(target="append" if number else "draft") for number in range(3)]
    studio.kill_at = f"{moment} {step}"
    with pytest.raises(Killed):
        await studio.go_through()
    for _ in range(3):
        studio.now += LOST_AFTER + timedelta(seconds=1)
        await studio.follow()
        await studio.go_through()
    generations = [await studio.generation(each.id) for each in asked]
    assert [each.status for each in generations] == ["done"] * 3
    assert (await studio.document()).content.count(TEXT) == 2
    assert sorted(billed) == sorted(f"{each.id}-{each.attempt}" for each in generations), "each is billed once"
    assert (await studio.budget()).used_micros == 3 * 11
    assert studio.server.files == {}


async def test_a_batch_that_is_read_twice_changes_nothing() -> None:
    studio = await opened()
    await studio.ask_for_batch()
    studio.kill_at = "before clear"
    with pytest.raises(Killed):
        await studio.go_through()
    before = len(studio.store.log)
    await studio.follow()
    assert len(studio.store.log) == before
    assert studio.server.files == {}


async def test_a_read_model_that_is_behind_neither_sends_again_nor_stops_a_batch() -> None:
    studio = await opened()
    asked = await studio.ask_for_batch()
    studio.batched.seen = len(studio.store.log)
    studio.server.is_held = True
    await studio.submit()
    await studio.submit()
    await studio.follow()
    assert [batch["status"] for batch in studio.server.batches.values()] == ["validating"]
    studio.batched.seen = None
    studio.server.is_held = False
    await studio.follow()
    assert (await studio.generation(asked.id)).status == "done"


async def test_a_running_batch_without_generations_is_cancelled_after_an_hour() -> None:
    studio = await opened()
    studio.server.is_held = True
    asked = await studio.ask_for_batch()
    await studio.submit()
    await expire_late(studio, asked.id)
    await studio.follow()
    assert [batch["status"] for batch in studio.server.batches.values()] == ["cancelling"]


async def expire_late(studio: BatchStudio, id: UUID) -> None:
    """Give a generation up whose batch still runs."""
    studio.now += max(BATCH_TIME, ORPHANED_AFTER) + timedelta(seconds=1)
    await expire(studio, id)


async def test_nothing_starts_while_the_provider_is_away() -> None:
    studio = await opened()
    asked = await studio.ask_for_batch()
    studio.server.broken = 503
    with pytest.raises(Unavailable):
        await studio.submit()
    assert (await studio.generation(asked.id)).attempt == 0


async def test_a_provider_that_takes_no_batches_is_shown_to_operators() -> None:
    studio = await opened()
    asked = await studio.ask_for_batch()
    studio.server.broken = 404
    with pytest.raises(JobFailed, match="status 404"):
        await studio.submit()
    assert (await studio.generation(asked.id)).batch == "waiting"


async def test_models_that_operators_have_paused_are_not_sent() -> None:
    studio = await opened()
    await studio.ask_for_batch()
    studio.jobs.paused_resources = {"swift"}
    await studio.submit()
    assert studio.server.batches == {}


async def test_a_key_of_a_payer_has_batches_of_its_own_for_no_money() -> None:
    studio = await opened()
    await studio.ask_for_batch(target="draft")
    await studio.ask(SaveProviderKey(team_id=None, key="sk-ada-own-key-of-otters"), studio.ada)
    own = await studio.ask_for_batch(target="draft")
    await studio.go_through()
    assert {*studio.server.keys} == {KEY, "sk-ada-own-key-of-otters"}
    assert len(studio.server.batches) == 2
    assert ((await studio.generation(own.id)).status, (await studio.generation(own.id)).cost_micros) == ("done", 0)


async def test_a_key_that_is_gone_ends_the_texts_that_it_was_to_pay() -> None:
    studio = await opened()
    await studio.ask(SaveProviderKey(team_id=None, key="sk-ada-own-key-of-otters"), studio.ada)
    sent = await studio.ask_for_batch()
    await studio.submit()
    await studio.ask(DeleteProviderKey(team_id=None), studio.ada)
    await studio.follow()
    assert ((await studio.generation(sent.id)).status, (await studio.generation(sent.id)).refused) == (
        "failed",
        "own_key",
    )
    assert isinstance(await studio.budget(), Budget)


async def test_an_attempt_whose_start_has_failed_is_not_in_the_batch_and_is_not_paid() -> None:
    studio = await opened()
    unlucky, other = await studio.ask_for_batch(), await studio.ask_for_batch()
    studio.fail_once_after = "StartAttempt"
    with pytest.raises(NotSettled):
        await studio.submit()
    [batch] = studio.server.batches.values()
    assert [line["custom_id"] for line in studio.server.lines(batch)] == [f"{other.id}-1"]
    withdrawn = await studio.generation(unlucky.id)
    assert (withdrawn.batch, withdrawn.tries, withdrawn.cost_micros) == ("waiting", 0, 0)
    await studio.go_through()
    assert (await studio.generation(unlucky.id)).status == "done"


async def test_a_soft_budget_chooses_a_cheaper_model_by_the_prices_of_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await opened()
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(200_000, 1_200))
    asked = await studio.ask_for_batch()
    assert (asked.model, asked.stand_in) == ("swift", "thrifty")
    await studio.go_through()
    done = await studio.generation(asked.id)
    assert (done.answered_by, done.cost_micros) == ("thrifty", 2)


async def test_the_receipt_has_the_prices_of_batches() -> None:
    studio = await opened()
    asked = await studio.ask_for_batch()
    await studio.go_through()
    [line] = (await receipt(studio.store, studio.ada, asked.id)).attempts
    assert (line.input_price, line.output_price, line.cost_micros) == (500_000, 1_000_000, 11)


@pytest.mark.parametrize("status", [404, 503])
async def test_a_server_without_batches_disturbs_only_if_a_text_is_in_one(status: int) -> None:
    studio = await opened()
    studio.server.broken = status
    await studio.follow()
    studio.server.broken = None
    await studio.ask_for_batch()
    await studio.submit()
    studio.server.broken = status
    with pytest.raises(JobFailed if status == 404 else Unavailable):
        await studio.follow()
