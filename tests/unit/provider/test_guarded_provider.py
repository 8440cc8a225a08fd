"""Circuit breakers of models and keys, on a clock that tests move."""

from contextlib import aclosing
from dataclasses import replace

import pytest

from adapters.provider.circuits import FAILURES_TO_OPEN, OPEN_SECONDS
from adapters.provider.guarded_provider import MAX_CIRCUITS, GuardedProvider
from application.ports import AnswerCut, AnswerEnd, NotAsked, PromptRefused, TextPiece, Unavailable, UnknownModel, Usage
from tests.support.provider import CATALOGUE, Script, ScriptedProvider, answer, prompt

OUTAGE: Script = [Unavailable("The provider")]
CUT: Script = [TextPiece("Ot"), AnswerCut("The rest")]
WHOLE: Script = [TextPiece("Otters."), AnswerEnd("complete", Usage(9, 2))]


class Pair:
    """A provider with circuits, and the scripted one behind it. `now`: in seconds."""

    def __init__(self) -> None:
        self.now = 100.0
        self.behind = ScriptedProvider()
        self.provider = GuardedProvider(self.behind, CATALOGUE, lambda: self.now)

    async def try_with(self, script: Script, model: str = "talker", key: str | None = None) -> AnswerEnd | str:
        """Ask with a script for the one behind; answers the end, or the name of the failure."""
        self.behind.scripts = [script]
        try:
            return (await answer(self.provider, replace(prompt(model=model), key=key))).end
        except (Unavailable, PromptRefused) as error:
            return type(error).__name__

    async def open(self, model: str = "talker", key: str | None = None) -> None:
        """Open the circuit of a model, with our key or another one."""
        for _ in range(FAILURES_TO_OPEN):
            assert await self.try_with([*OUTAGE], model, key) == "Unavailable"
        self.behind.asked.clear()


@pytest.fixture
def pair() -> Pair:
    return Pair()


async def test_an_answer_passes_through(pair: Pair) -> None:
    assert await pair.try_with([*WHOLE]) == AnswerEnd("complete", Usage(9, 2))
    assert pair.behind.asked == ["talker"]


async def test_a_single_failure_is_passed_on_and_asks_no_fallback(pair: Pair) -> None:
    assert await pair.try_with([*OUTAGE]) == "Unavailable"
    assert await pair.try_with([*WHOLE]) == AnswerEnd("complete", Usage(9, 2))
    assert pair.behind.asked == ["talker", "talker"]


@pytest.mark.parametrize("failure", [OUTAGE, CUT])
async def test_after_repeated_failures_the_fallback_alone_is_open(pair: Pair, failure: Script) -> None:
    assert pair.provider.open_models("talker") == ["talker", "small-talker"]
    for _ in range(FAILURES_TO_OPEN):
        await pair.try_with([*failure])
    assert pair.provider.open_models("talker") == ["small-talker"]
    assert await pair.try_with([*WHOLE]) == "NotAsked"
    assert await pair.try_with([*WHOLE], "small-talker") == AnswerEnd("complete", Usage(9, 2))


async def test_an_answer_between_failures_resets_their_number(pair: Pair) -> None:
    for _ in range(2):
        for _ in range(FAILURES_TO_OPEN - 1):
            await pair.try_with([*OUTAGE])
        await pair.try_with([*WHOLE])
    assert set(pair.behind.asked) == {"talker"}


async def test_a_refused_prompt_is_an_answer_of_the_provider(pair: Pair) -> None:
    for _ in range(2 * FAILURES_TO_OPEN):
        assert await pair.try_with([PromptRefused("status 400")]) == "PromptRefused"
    assert set(pair.behind.asked) == {"talker"}


async def test_after_a_while_one_answer_probes_and_closes_the_circuit(pair: Pair) -> None:
    await pair.open()
    pair.now += OPEN_SECONDS
    pair.behind.scripts = [[*WHOLE], [*WHOLE]]
    async with aclosing(pair.provider.answer(prompt())) as probe:
        await anext(probe)
        assert pair.provider.open_models("talker") == ["small-talker"]
        with pytest.raises(NotAsked):
            await answer(pair.provider, prompt())
        assert [item async for item in probe][-1] == AnswerEnd("complete", Usage(9, 2))
    assert pair.behind.asked == ["talker"]
    assert await pair.try_with([*WHOLE]) == AnswerEnd("complete", Usage(9, 2))


async def test_a_probe_that_fails_opens_the_circuit_again(pair: Pair) -> None:
    await pair.open()
    pair.now += OPEN_SECONDS
    assert await pair.try_with([*OUTAGE]) == "Unavailable"
    assert await pair.try_with([*WHOLE]) == "NotAsked"


async def test_a_probe_that_is_stopped_lets_another_one_begin(pair: Pair) -> None:
    await pair.open()
    pair.now += OPEN_SECONDS
    pair.behind.scripts = [[*WHOLE]]
    async with aclosing(pair.provider.answer(prompt())) as probe:
        await anext(probe)
    assert pair.behind.stopped == ["talker"]
    assert await pair.try_with([*WHOLE]) == AnswerEnd("complete", Usage(9, 2))


async def test_a_provider_that_wants_a_long_pause_gets_it(pair: Pair) -> None:
    for _ in range(FAILURES_TO_OPEN):
        await pair.try_with([Unavailable("The provider (429)", 600)])
    pair.now += 599
    assert await pair.try_with([*WHOLE]) == "NotAsked"
    pair.now += 1
    assert await pair.try_with([*WHOLE]) == AnswerEnd("complete", Usage(9, 2))


async def test_the_caller_hears_when_to_come_back(pair: Pair) -> None:
    await pair.open()
    pair.now += 10
    await pair.open("small-talker")
    assert pair.provider.open_models("talker") == []
    with pytest.raises(NotAsked) as caught:
        await answer(pair.provider, prompt())
    assert caught.value.retry_after == OPEN_SECONDS - 10
    assert pair.behind.asked == []


async def test_circuits_of_models_are_apart(pair: Pair) -> None:
    await pair.open()
    assert await pair.try_with([*WHOLE], "responder") == AnswerEnd("complete", Usage(9, 2))


async def test_circuits_of_keys_are_apart(pair: Pair) -> None:
    await pair.open(key="ada's")
    assert await pair.try_with([*WHOLE], key="ada's") == "NotAsked"
    assert pair.provider.open_models("talker") == ["talker", "small-talker"]
    for key in ("bob's", None):
        assert await pair.try_with([*WHOLE], key=key) == AnswerEnd("complete", Usage(9, 2))
    await pair.open()
    assert await pair.try_with([*WHOLE], key="bob's") == AnswerEnd("complete", Usage(9, 2))


async def test_of_many_keys_those_that_were_not_used_for_longest_are_forgotten(pair: Pair) -> None:
    await pair.open(key="first")
    for number in range(MAX_CIRCUITS):
        assert await pair.try_with([*WHOLE], key=f"key {number}") != "NotAsked"
    assert await pair.try_with([*WHOLE], key="first") == AnswerEnd("complete", Usage(9, 2))


async def test_an_unknown_model_is_refused(pair: Pair) -> None:
    with pytest.raises(UnknownModel):
        await answer(pair.provider, prompt(model="unknown"))
