"""Receipts: what each attempt has cost, who pays, and who sees it."""

import pytest

from application.generation import answering
from application.generation.generation import CancelGeneration, RetryGeneration
from application.generation.receipt import receipt
from application.ports import AnswerCut, AnswerEnd, PromptRefused, Unavailable, Usage
from domain.billing.budget import month_of
from domain.kernel import NotFound
from tests.support.generations import MODELS, Line
from tests.support.studio import Studio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep and watch without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(answering, "WATCH_SECONDS", 0.0)


async def test_a_receipt_has_each_attempt_that_has_cost_something() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [["12345678", AnswerCut("The provider")], [Unavailable("The provider")]]
    asked = await studio.ask_for()
    for failure in (AnswerCut, Unavailable):
        with pytest.raises(failure):
            await studio.try_once()
    await studio.work()
    seen = await receipt(studio.store, studio.ada, asked.id)
    cut, done = seen.attempts
    swift = MODELS["swift"]
    assert (cut.attempt, cut.failure, cut.model, cut.output_tokens) == (1, "cut", "swift", 2)
    assert cut.cost_micros == swift.cost(asked.estimated_tokens, 2)
    assert (done.attempt, done.failure, done.input_tokens, done.output_tokens) == (3, None, 100, 10)
    assert (done.input_price, done.output_price) == (swift.input_price, swift.output_price)
    assert (done.payer_kind, done.payer_id, done.month) == ("user", studio.ada.user_id, month_of(studio.now))
    assert (seen.status, seen.cost_micros) == ("done", cut.cost_micros + done.cost_micros)


async def test_a_fallback_is_named_with_its_price_whatever_became_of_it() -> None:
    studio = await Studio().open()
    studio.provider.shut = {"swift"}
    studio.provider.scripts = [["12345678", AnswerCut("The provider")]]
    asked = await studio.ask_for()
    with pytest.raises(AnswerCut):
        await studio.work()
    await studio.work()
    lines = (await receipt(studio.store, studio.ada, asked.id)).attempts
    thrifty = MODELS["thrifty"]
    prices = (thrifty.input_price, thrifty.output_price)
    assert [(line.model, line.input_price, line.output_price) for line in lines] == 2 * [("thrifty", *prices)]
    assert [line.cost_micros for line in lines] == [thrifty.cost(asked.estimated_tokens, 2), thrifty.cost(100, 10)]
    assert (await studio.budget()).used_micros == sum(line.cost_micros for line in lines)


async def test_variants_are_one_line_that_adds_up() -> None:
    studio = await Studio().open()
    end = AnswerEnd("complete", Usage(100, 10))
    studio.provider.scripts = [["Otters.", end], ["Herons.", end], ["12345678", AnswerCut("The provider")]]
    asked = await studio.ask_for(variants=3)
    await studio.work()
    seen = await receipt(studio.store, studio.ada, asked.id)
    [line] = seen.attempts
    assert (line.model, line.failure, line.input_tokens) == ("swift", None, 200 + asked.estimated_tokens)
    assert (line.output_tokens, line.input_price) == (22, MODELS["swift"].input_price)
    assert line.cost_micros == seen.cost_micros > 0


async def test_variants_are_one_line_with_all_that_they_have_cost() -> None:
    studio = await Studio().open()
    odd: list[Line] = ["Otters.", AnswerEnd("complete", Usage(101, 1))]
    studio.provider.scripts = [[PromptRefused("content")], odd, ["Herons.", AnswerEnd("complete", Usage(100, 10))]]
    asked = await studio.ask_for(variants=3)
    await studio.work()
    [line] = (await receipt(studio.store, studio.ada, asked.id)).attempts
    assert (line.failure, line.model, line.input_tokens, line.output_tokens) == (None, "swift", 201, 11)
    assert line.cost_micros == MODELS["swift"].cost(101, 1) + MODELS["swift"].cost(100, 10)


async def test_variants_have_a_price_although_each_is_rounded_up() -> None:
    studio = await Studio().open()
    odd: list[Line] = ["Otters.", AnswerEnd("complete", Usage(101, 1))]
    studio.provider.scripts = [odd, odd]
    asked = await studio.ask_for(model="thrifty", variants=2)
    await studio.work()
    [line] = (await receipt(studio.store, studio.ada, asked.id)).attempts
    thrifty = MODELS["thrifty"]
    assert line.cost_micros == 2 * thrifty.cost(101, 1) == thrifty.cost(202, 2) + 1
    assert (line.input_price, line.output_price) == (thrifty.input_price, thrifty.output_price)


async def test_each_round_is_paid_by_its_own_payer() -> None:
    studio = await Studio().open()
    studio.provider.scripts = [["12345678", AnswerCut("The provider")]]
    asked = await studio.ask_for()
    with pytest.raises(AnswerCut):
        await studio.try_once()
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    await studio.work()
    team_id = await studio.give_to_team()
    await studio.ask(RetryGeneration(id=asked.id), studio.ada)
    await studio.work()
    seen = await receipt(studio.store, studio.ada, asked.id)
    assert [(line.payer_kind, line.payer_id) for line in seen.attempts] == [
        ("user", studio.ada.user_id),
        ("team", team_id),
    ]


async def test_only_the_asker_sees_the_receipt() -> None:
    studio = await Studio().open()
    asked, bob = await studio.ask_for(), await studio.actor("bob@example.org")
    assert (await receipt(studio.store, studio.ada, asked.id)).attempts == []
    with pytest.raises(NotFound):
        await receipt(studio.store, bob, asked.id)


@pytest.mark.parametrize("is_sandbox", [False, True])
async def test_a_receipt_says_whether_a_model_wrote_the_text(is_sandbox: bool) -> None:
    studio = await Studio().open()
    studio.provider.scripts = [["Otters.", AnswerEnd("complete", Usage(100, 10), is_sandbox)]]
    asked = await studio.ask_for()
    await studio.work()
    assert (await receipt(studio.store, studio.ada, asked.id)).is_sandbox is is_sandbox
