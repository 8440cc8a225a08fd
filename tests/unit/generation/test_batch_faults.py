"""Batches of several payers, some of whose things are damaged, replaced or late: all others go on."""

import pytest

from application.generation import answering
from application.generation.generation import CancelGeneration, RetryGeneration
from application.generation.provider_key import DeleteProviderKey, SaveProviderKey
from tests.support.batch_studio import BatchStudio

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
