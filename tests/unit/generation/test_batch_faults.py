"""Batches of several payers, some of whose things are damaged, replaced or late: all others go on."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from application.content.document import CreateDocument
from application.generation import answering, batch_following
from application.generation.attempts import RecordAnswer, StartAttempt
from application.generation.generation import CancelGeneration, RetryGeneration
from application.generation.provider_key import DeleteProviderKey, SaveProviderKey
from application.jobs import JobFailed
from application.ports import ProviderBatch, Unavailable
from domain.generation.provider_key import KeyChoice
from domain.kernel import NotFound, Party
from tests.support.batch_server import result_of
from tests.support.batch_studio import BatchStudio, Killed

OWN, OTHER = "sk-ada-own-key-of-otters", "sk-ada-other-key-of-otters"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep and watch without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)


@pytest.fixture
async def studio() -> BatchStudio:
    opened = BatchStudio()
    await opened.open()
    return opened


async def save_key(studio: BatchStudio, key: str) -> None:
    await studio.ask(SaveProviderKey(team_id=None, key=key), studio.ada)


def while_judging(studio: BatchStudio, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Let Ada save another key while moderation reads her prompt."""
    judge = studio.moderation.judge

    async def judged(text: str) -> tuple[str, ...]:
        monkeypatch.setattr(studio.moderation, "judge", judge)
        await save_key(studio, key)
        return await judge(text)

    monkeypatch.setattr(studio.moderation, "judge", judged)


async def test_a_key_that_is_gone_asks_nothing_with_ours(studio: BatchStudio) -> None:
    await save_key(studio, OWN)
    asked = await studio.ask_for_batch()
    await studio.ask(DeleteProviderKey(team_id=None), studio.ada)
    await studio.submit()
    assert studio.server.keys == []
    refused = await studio.generation(asked.id)
    assert (refused.status, refused.refused) == ("failed", "own_key")


@pytest.mark.parametrize("is_gone", [True, False])
async def test_a_key_that_changes_meanwhile_sends_nothing_with_another(
    studio: BatchStudio, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    await save_key(studio, OWN)
    asked = await studio.ask_for_batch()
    if is_gone:
        await studio.ask(DeleteProviderKey(team_id=None), studio.ada)
    while_judging(studio, monkeypatch, OTHER)
    await studio.submit()
    assert studio.server.batches == {}
    assert (await studio.generation(asked.id)).batch == "waiting"
    await studio.go_through()
    assert (await studio.generation(asked.id)).status == "done"
    assert OTHER in studio.server.keys


async def test_a_text_that_is_asked_for_again_with_an_own_key_is_not_paid_by_ours(studio: BatchStudio) -> None:
    asked = await studio.ask_for_batch()
    studio.batched.seen = len(studio.store.log)
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    await save_key(studio, OWN)
    await studio.ask(RetryGeneration(id=asked.id), studio.ada)
    await studio.submit()
    assert studio.server.batches == {}
    studio.batched.seen = None
    await studio.go_through()
    assert (await studio.generation(asked.id)).status == "done"
    assert OWN in studio.server.keys


async def test_a_document_that_is_damaged_stops_no_other_text_from_being_sent(studio: BatchStudio) -> None:
    damaged, other = await ask_about_two_documents(studio)
    with pytest.raises(JobFailed, match="1 streams cannot be read"):
        await studio.submit()
    assert (await studio.generation(damaged)).batch == "waiting"
    assert (await studio.generation(other)).batch == "submitted"


async def test_a_key_that_is_damaged_stops_no_other_key(studio: BatchStudio) -> None:
    sent = await studio.ask_for_batch(target="draft")
    await save_key(studio, OWN)
    await studio.submit()
    waiting = await studio.ask_for_batch(target="draft")
    studio.store.unreadable.add(KeyChoice.id_of(Party("user", studio.ada.user_id)))
    with pytest.raises(JobFailed, match="1 streams cannot be read"):
        await studio.submit()
    await studio.follow()
    assert (await studio.generation(sent.id)).status == "done"
    assert (await studio.generation(waiting.id)).batch == "waiting"


async def test_a_text_that_cannot_be_recorded_is_paid_and_stops_no_other_one(studio: BatchStudio) -> None:
    damaged, other = await ask_about_two_documents(studio, damage=False)
    await studio.submit()
    studio.store.unreadable.add(studio.document_id)
    with pytest.raises(JobFailed, match="1 streams cannot be read"):
        await studio.follow()
    lost = await studio.generation(damaged)
    assert (lost.batch, lost.tries, lost.cost_micros) == ("waiting", 1, 11)
    assert (await studio.generation(other)).status == "done"
    assert studio.server.files == {}
    await studio.follow()


async def test_a_command_that_is_refused_stops_no_other_text(
    studio: BatchStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, other = [await studio.ask_for_batch(target="draft") for _ in range(2)]
    refuse_commands(studio, monkeypatch, refused.id, StartAttempt)
    with pytest.raises(JobFailed, match=r"1 generations are refused: .* \(not_found\)"):
        await studio.submit()
    monkeypatch.undo()
    await studio.submit()
    refuse_commands(studio, monkeypatch, refused.id, RecordAnswer)
    with pytest.raises(JobFailed, match="1 generations are refused"):
        await studio.follow()
    assert (await studio.generation(other.id)).status == "done"
    assert (await studio.generation(refused.id)).cost_micros == 11
    assert studio.server.files == {}


def refuse_commands(studio: BatchStudio, monkeypatch: pytest.MonkeyPatch, id: UUID, kind: type[Any]) -> None:
    """Refuse the commands of a kind about a generation."""
    send = studio._send_as_user

    async def refusing(command: Any, *arguments: Any) -> Any:
        if isinstance(command, kind) and command.generation_id == id:
            raise NotFound("It is gone.")
        return await send(command, *arguments)

    monkeypatch.setattr(studio, "_send_as_user", refusing)


async def ask_about_two_documents(studio: BatchStudio, damage: bool = True) -> tuple[UUID, UUID]:
    """Ask for a text of each. Returns the generation of the one that is, or is to be, damaged, and the other one."""
    damaged = await studio.ask_for_batch()
    first = studio.document_id
    studio.document_id = (await studio.ask(CreateDocument(title="More", content="A lake."), studio.ada)).id
    other = await studio.ask_for_batch()
    studio.document_id = first
    if damage:
        studio.store.unreadable.add(first)
    return damaged.id, other.id


async def test_a_batch_that_is_cleared_in_part_is_cleared_to_its_end(studio: BatchStudio) -> None:
    asked = await studio.ask_for_batch()
    studio.kill_at = "before clear"
    with pytest.raises(Killed):
        await studio.go_through()
    [batch] = studio.server.batches.values()
    del studio.server.files[batch["output_file_id"]]
    before = len(studio.store.log)
    await studio.follow()
    assert len(studio.store.log) == before
    assert studio.server.files == {}
    assert (await studio.generation(asked.id)).status == "done"


async def test_another_key_that_shows_a_batch_neither_reads_nor_cancels_it(
    studio: BatchStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await save_key(studio, OWN)
    own = await studio.ask_for_batch()
    await studio.submit()
    studio.server.is_held = True
    monkeypatch.setattr(batch_following, "ORPHANED_AFTER", timedelta(-1))
    await studio.follow()
    assert [batch["status"] for batch in studio.server.batches.values()] == ["validating"]
    studio.server.is_held = False
    await studio.follow()
    assert (await studio.generation(own.id)).status == "done"


async def test_a_file_of_a_payer_decides_on_no_text_of_ours(studio: BatchStudio) -> None:
    ours = await studio.ask_for_batch()
    studio.server.is_held = True
    studio.batched.seen = len(studio.store.log)
    await studio.submit()
    await save_key(studio, OWN)
    [batch] = studio.server.batches.values()
    studio.server.end(batch, "completed", [result_of(line, "Lies.") for line in studio.server.lines(batch)], [])
    ports = studio.performer_ports
    sent = await studio.generation(ours.id)
    assert sent.batch_id is not None
    settler = batch_following.BatchSettler(
        studio.store,
        batch_following.PatientModeration(studio.moderation),
        *(ports[name] for name in ("tokens", "digests", "partial_texts", "send_as_user")),  # type: ignore[arg-type]
    )
    follower = batch_following.BatchFollower(studio.batches, studio.store, settler, {}, studio.now)
    await follower.follow(Party("user", studio.ada.user_id), [])
    assert (await studio.generation(ours.id)).batch == "submitted"
    assert studio.server.files != {}


async def test_a_key_whose_batches_take_too_long_stops_no_other_one(
    studio: BatchStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await save_key(studio, OWN)
    own = await studio.ask_for_batch(target="draft")
    await studio.submit()
    since, seen = studio.batches.since, []

    async def slow(moment: datetime, key: str | None) -> list[ProviderBatch]:
        seen.append(key)
        if key == OWN:
            await asyncio.Event().wait()
        return await since(moment, key)

    monkeypatch.setattr(studio.batches, "since", slow)
    monkeypatch.setattr(batch_following, "KEY_TIME", timedelta(0))
    with pytest.raises(Unavailable, match="too slow"):
        await studio.follow()
    assert seen == [None, OWN]
    assert (await studio.generation(own.id)).batch == "submitted"


@pytest.mark.parametrize(("key", "status"), [(OWN, "queued"), (OTHER, "failed")])
async def test_a_batch_of_a_key_that_was_replaced_is_not_sent_again(studio: BatchStudio, key: str, status: str) -> None:
    await save_key(studio, OWN)
    asked = await studio.ask_for_batch()
    await studio.submit()
    studio.server.batches, studio.server.files = {}, {}
    await studio.go_on(hours=0.1)
    await save_key(studio, key)
    await studio.go_on(hours=0.5)
    await studio.follow()
    ended = await studio.generation(asked.id)
    assert (ended.status, ended.attempt_is_open, ended.cost_micros) == (status, False, 0)
    assert ended.refused == ("own_key" if key == OTHER else None)
