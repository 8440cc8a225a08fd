"""Every provider keeps its promise: the sandbox, and a server of other people."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from adapters.provider.openai_provider import OpenAIProvider
from adapters.provider.sandbox import OPENING, SANDBOX, SandboxTransport
from application.ports import AnswerCut, PromptRefused, Unavailable, UnknownModel
from tests.support.provider import CATALOGUE, answer, clock, prompt
from tests.support.provider_servers import provider_at, running_aimock

OTTERS = "Otters hold hands while they sleep."


@pytest.fixture(scope="session")
def aimock() -> Iterator[str]:
    """The address of aimock."""
    with running_aimock() as url:
        yield url


@dataclass(frozen=True)
class Polite:
    """A provider that answers. `longest`: an answer of so many tokens is cut."""

    provider: OpenAIProvider
    is_sandbox: bool
    text: str
    cut: str
    longest: int


@pytest.fixture(params=["sandbox", "aimock"])
async def polite(request: pytest.FixtureRequest) -> AsyncIterator[Polite]:
    if request.param == "sandbox":
        sandbox = OpenAIProvider(SANDBOX, CATALOGUE, clock, transport=SandboxTransport(pause=0))
        yield Polite(sandbox, True, OPENING, "plain", 3)
        await sandbox.close()
        return
    async with provider_at(request.getfixturevalue("aimock")) as opened:
        yield Polite(opened, False, OTTERS, "long", 200)


MODELS = pytest.mark.parametrize("model", ["talker", "responder"])


@MODELS
async def test_an_answer_comes_in_pieces_and_ends_once(polite: Polite, model: str) -> None:
    got = await answer(polite.provider, prompt("plain", model))
    assert got.text.startswith(polite.text)
    assert got.pieces > 3
    assert (got.end.reason, got.end.is_sandbox) == ("complete", polite.is_sandbox)
    assert got.end.usage is not None
    assert got.end.usage.input_tokens > 0
    assert got.end.usage.output_tokens > 0


async def test_an_answer_that_is_cut_at_its_maximum_says_so(polite: Polite) -> None:
    got = await answer(polite.provider, prompt(polite.cut, longest=polite.longest))
    assert got.end.reason == "length"
    assert got.text


@MODELS
async def test_answers_at_once_do_not_mix(polite: Polite, model: str) -> None:
    one = await answer(polite.provider, prompt("plain", model))
    many = await asyncio.gather(*[answer(polite.provider, prompt("plain", model)) for _ in range(20)])
    assert {each.text for each in many} == {one.text}


@MODELS
async def test_after_an_answer_that_was_closed_the_next_one_is_whole(polite: Polite, model: str) -> None:
    async with aclosing(polite.provider.answer(prompt("plain", model))) as items:
        await anext(items)
    assert (await answer(polite.provider, prompt("plain", model))).text.startswith(polite.text)


async def test_an_unknown_model_is_refused(polite: Polite) -> None:
    with pytest.raises(UnknownModel):
        await answer(polite.provider, prompt("plain", "unknown"))


async def test_the_list_of_models_shows_that_the_provider_answers(polite: Polite) -> None:
    await polite.provider.check()


async def test_the_sandbox_answers_other_prompts_otherwise() -> None:
    sandbox = OpenAIProvider(SANDBOX, CATALOGUE, clock, transport=SandboxTransport(pause=0))
    texts = {(await answer(sandbox, prompt(f"Tell me of {beast} at sea"))).text for beast in ("otters", "seals")}
    assert len(texts) == 2
    await sandbox.close()


@MODELS
async def test_what_the_provider_does_not_count_is_unknown(aimock: str, model: str) -> None:
    async with provider_at(aimock) as provider:
        got = await answer(provider, prompt("without usage", model))
    assert got.text == OTTERS
    assert got.end.reason == "complete"


@MODELS
async def test_failures_of_aimock(aimock: str, model: str) -> None:
    async with provider_at(aimock) as provider:
        with pytest.raises(PromptRefused, match="status 400"):
            await answer(provider, prompt("refused", model))
        with pytest.raises(AnswerCut):
            await answer(provider, prompt("cut", model))
        with pytest.raises(Unavailable, match=r"The provider \(500\)"):
            await answer(provider, prompt("broken", model))
        with pytest.raises(Unavailable, match=r"The provider \(429\)") as caught:
            await answer(provider, prompt("busy", model))
    assert caught.value.retry_after == 7


async def test_an_answer_that_aimock_filters(aimock: str) -> None:
    async with provider_at(aimock) as provider:
        assert (await answer(provider, prompt("forbidden"))).end.reason == "filtered"


async def test_a_sandbox_answer_of_responses_that_is_cut_says_so() -> None:
    sandbox = OpenAIProvider(SANDBOX, CATALOGUE, clock, transport=SandboxTransport(pause=0))
    assert (await answer(sandbox, prompt(model="responder", longest=3))).end.reason == "length"
    await sandbox.close()
