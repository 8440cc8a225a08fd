"""Comparisons: two texts for one document, as drafts, and what is shown of them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from application.generation import answering
from application.generation.comparison import CompareTexts, ComparisonRequest, Side, comparison
from application.generation.generation import AcceptDraft
from application.ports import AnswerEnd, PromptRefused, Usage
from domain.access import RoleTooLow
from domain.billing.budget import ALLOWANCES, Allowance, Budget, BudgetExceeded
from domain.billing.subscription import Subscription
from domain.generation.placement import Placement
from domain.generation.provider_key import KeyChoice
from domain.generation.refusals import UnusablePrompt
from domain.kernel import NotFound, Root
from tests.support.generations import MODELS
from tests.support.studio import OUTPUT, Studio

SWIFT, THRIFTY = Side("Describe {{what}}.", "swift", OUTPUT), Side("Describe {{what}}.", "thrifty", OUTPUT)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep and watch without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(answering, "WATCH_SECONDS", 0.0)


async def compare(studio: Studio, left: Side = SWIFT, right: Side = THRIFTY, **more: Any) -> ComparisonRequest:
    values: dict[str, Any] = {"document_id": studio.document_id, "variables": {"what": "otters"}, **more}
    return (await studio.send(CompareTexts(left=left, right=right, **values), studio.ada, "k")).answer


async def test_two_models_write_with_the_same_variables_and_their_words_are_compared() -> None:
    studio = await Studio().open()

    def a_while() -> None:
        studio.now += timedelta(seconds=3)

    studio.provider.scripts = [
        ["Otters swim.", AnswerEnd("complete", Usage(100, 10))],
        [a_while, "Otters sleep.", AnswerEnd("complete", Usage(90, 9))],
    ]
    asked = await compare(studio)
    await studio.work()
    seen = (await comparison(studio.store, studio.ada, asked.id)).view()
    assert [prompt.model for prompt in studio.provider.asked] == ["swift", "thrifty"]
    assert all("otters" in prompt.messages[1].text for prompt in studio.provider.asked)
    assert (seen.left.text, seen.right.text, seen.variables) == ("Otters swim.", "Otters sleep.", {"what": "otters"})
    assert seen.changes is not None
    assert [(change.deleted, change.inserted) for change in seen.changes] == [("swim", "sleep")]
    assert (seen.left.cost_micros, seen.right.cost_micros) == (
        MODELS["swift"].cost(100, 10),
        MODELS["thrifty"].cost(90, 9),
    )
    assert (seen.left.seconds, seen.right.seconds) == (0.0, 3.0)


async def test_the_document_stays_and_a_text_can_be_accepted() -> None:
    studio = await Studio().open()
    asked = await compare(studio)
    await studio.work()
    assert (await studio.document()).content == "The river."
    await studio.ask(AcceptDraft(id=asked.right_id, placement=Placement()), studio.ada)
    assert (await studio.document()).content == "The river.\n\nOtters."


async def test_both_are_reserved_together_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(2_000, 1_000_000))
    before = len(studio.store.log)
    with pytest.raises(BudgetExceeded):
        await compare(studio)
    assert len(studio.store.log) == before
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(10_000, 1_000_000))
    asked = await compare(studio)
    assert {*(await studio.budget()).reserved} == {asked.left_id, asked.right_id}
    assert (await studio.budget()).reserved_micros == asked.estimated_micros


async def test_a_repeated_request_compares_once() -> None:
    studio = await Studio().open()
    assert await compare(studio) == await compare(studio)
    await studio.work()
    assert len(studio.provider.asked) == 2


async def test_nothing_is_compared_until_both_texts_are_there() -> None:
    studio = await Studio().open()
    asked = await compare(studio)
    waiting = (await comparison(studio.store, studio.ada, asked.id)).view()
    assert (waiting.changes, waiting.left.status, waiting.left.seconds) == (None, "queued", None)
    studio.provider.scripts = [[PromptRefused("no")]]
    await studio.work()
    seen = (await comparison(studio.store, studio.ada, asked.id)).view()
    assert (seen.left.failure, seen.right.status, seen.changes) == ("refused", "done", None)


async def test_two_prompts_of_one_model_can_be_compared() -> None:
    studio = await Studio().open()
    asked = await compare(studio, SWIFT, Side("Describe {{what}} in French.", "swift", OUTPUT))
    await studio.work()
    seen = (await comparison(studio.store, studio.ada, asked.id)).view()
    assert (seen.left.prompt, seen.right.prompt) == ("Describe {{what}}.", "Describe {{what}} in French.")
    assert seen.changes == []


async def test_only_the_asker_sees_a_comparison_and_only_editors_ask_for_one() -> None:
    studio = await Studio().open()
    asked, bob = await compare(studio), await studio.actor("bob@example.org")
    with pytest.raises(NotFound, match="comparison"):
        await comparison(studio.store, bob, asked.id)
    with pytest.raises(NotFound):
        await comparison(studio.store, studio.ada, asked.left_id)
    command = CompareTexts(document_id=studio.document_id, variables={}, left=SWIFT, right=THRIFTY)
    with pytest.raises((NotFound, RoleTooLow)):
        await studio.ask(command, bob)


async def test_a_side_that_is_not_valid_is_refused() -> None:
    studio = await Studio().open()
    with pytest.raises(UnusablePrompt):
        await compare(studio, SWIFT, Side(" ", "swift"))


async def test_what_pays_is_loaded_once_for_both_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    loaded: list[type[Root]] = []
    load = studio.store.load

    async def counted(kind: type[Any], id: UUID, *, version: int | None = None) -> Any:
        loaded.append(kind)
        return await load(kind, id, version=version)

    monkeypatch.setattr(studio.store, "load", counted)
    await compare(studio)
    assert [loaded.count(kind) for kind in (Budget, Subscription, KeyChoice)] == [1, 1, 1]
