"""Every server of batches keeps the promise of the port: the sandbox, and a server of ours that speaks the protocol."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from adapters.provider.openai_batches import OpenAIBatches
from adapters.provider.sandbox import OPENING, SANDBOX, SandboxTransport
from application.ports import BatchAnswer, Prompt, ProviderBatch, UnknownModel
from tests.support.batch_server import OWNER, BatchServer, batches_at
from tests.support.provider import CATALOGUE, clock, prompt
from tests.support.provider_servers import rude_provider

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SECOND_THING = "batch-2"
"""The name of a batch: both servers count what they make."""
ID, OTHER = UUID(int=0xBA7C), UUID(int=0xBA7D)
MODELS = pytest.mark.parametrize("model", ["talker", "responder"])


@dataclass(frozen=True)
class Polite:
    """A server that writes batches. `stranger`: another installation with the same key."""

    batches: OpenAIBatches
    stranger: OpenAIBatches
    text: str
    is_sandbox: bool


@pytest.fixture(params=["sandbox", "ours"])
async def polite(request: pytest.FixtureRequest) -> AsyncIterator[Polite]:
    if request.param == "sandbox":
        transport = SandboxTransport(pause=0)
        own, other = (OpenAIBatches(SANDBOX, CATALOGUE, clock, name, transport=transport) for name in (OWNER, "there"))
        yield Polite(own, other, OPENING, True)
        await own.close()
        await other.close()
        return
    async with rude_provider() as server, batches_at(server.url) as own, batches_at(server.url, "there") as other:
        server.script = BatchServer().answer
        yield Polite(own, other, "Otters hold hands.", False)


def named(number: int, model: str = "talker", **more: int) -> Prompt:
    """A prompt with the name of a request."""
    return replace(prompt(f"plain {number}", model, **more), request_id=f"{UUID(int=number)}-1")


async def until_ended(batches: OpenAIBatches) -> ProviderBatch:
    """Look until the only batch has ended."""
    while True:
        [found] = await batches.since(LONG_AGO, None)
        if found.stage not in ("running", "cancelling"):
            return found


@MODELS
async def test_each_prompt_of_a_batch_gets_its_text(polite: Polite, model: str) -> None:
    prompts = [named(number, model) for number in (1, 2, 3)]
    file = await polite.batches.upload(ID, prompts, None)
    await polite.batches.begin(ID, model, file, None)
    ended = await until_ended(polite.batches)
    assert (ended.id, ended.stage) == (ID, "completed")
    results = await polite.batches.results(ended, None)
    assert [*results] == [each.request_id for each in prompts]
    for result in results.values():
        assert isinstance(result, BatchAnswer)
        assert result.text.startswith(polite.text)
        assert (result.end.reason, result.end.is_sandbox) == ("complete", polite.is_sandbox)
        assert result.end.usage is not None
        assert result.end.usage.input_tokens > 0


async def test_a_batch_that_is_not_begun_is_a_file_and_can_be_cleared(polite: Polite) -> None:
    file = await polite.batches.upload(ID, [named(1)], None)
    [found] = await polite.batches.since(LONG_AGO, None)
    assert (found.id, found.name, found.stage, found.files) == (ID, None, "uploaded", (file,))
    await polite.batches.clear(found, None)
    assert await polite.batches.since(LONG_AGO, None) == []


async def test_a_cleared_batch_has_no_files_and_can_be_cleared_again(polite: Polite) -> None:
    await polite.batches.begin(ID, "talker", await polite.batches.upload(ID, [named(1)], None), None)
    ended = await until_ended(polite.batches)
    assert len(ended.files) == 2
    await polite.batches.clear(ended, None)
    await polite.batches.clear(ended, None)
    [left] = await polite.batches.since(LONG_AGO, None)
    assert (left.id, left.stage, left.files, left.result_files) == (ID, "completed", (), ())
    assert await polite.batches.results(left, None) == {}


async def test_a_batch_of_another_installation_is_not_seen(polite: Polite) -> None:
    await polite.batches.begin(ID, "talker", await polite.batches.upload(ID, [named(1)], None), None)
    await polite.stranger.upload(OTHER, [named(2)], None)
    assert [found.id for found in await polite.batches.since(LONG_AGO, None)] == [ID]
    assert [found.id for found in await polite.stranger.since(LONG_AGO, None)] == [OTHER]


async def test_batches_of_before_are_left_out(polite: Polite) -> None:
    await polite.batches.begin(ID, "talker", await polite.batches.upload(ID, [named(1)], None), None)
    assert await polite.batches.since(datetime.now(UTC) + timedelta(hours=1), None) == []


async def test_a_batch_that_is_cancelled_ends_without_its_texts(polite: Polite) -> None:
    await polite.batches.begin(ID, "talker", await polite.batches.upload(ID, [named(1)], None), None)
    begun = ProviderBatch(ID, SECOND_THING, "running", LONG_AGO, (), ())
    await polite.batches.cancel(begun, None)
    ended = await until_ended(polite.batches)
    assert ended.stage == "cancelled"
    results = await polite.batches.results(ended, None)
    assert not any(isinstance(result, BatchAnswer) for result in results.values())
    await polite.batches.cancel(ended, None)  # a second time changes nothing


async def test_an_unknown_model_has_no_batches(polite: Polite) -> None:
    with pytest.raises(UnknownModel):
        await polite.batches.begin(ID, "unknown", "file", None)


async def test_an_answer_that_is_cut_at_its_maximum_says_so() -> None:
    for model in ("talker", "responder"):
        sandbox = OpenAIBatches(SANDBOX, CATALOGUE, clock, OWNER, transport=SandboxTransport(pause=0))
        file = await sandbox.upload(ID, [named(1, model, longest=3)], None)
        await sandbox.begin(ID, model, file, None)
        [result] = (await sandbox.results(await until_ended(sandbox), None)).values()
        assert isinstance(result, BatchAnswer)
        assert result.end.reason == "length"
        await sandbox.close()
