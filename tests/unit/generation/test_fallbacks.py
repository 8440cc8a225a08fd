"""Fallbacks: a generation waits for the model that is really asked."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_in

from application.generation import answering
from application.generation.attempts import StartAttempt
from application.generation.provider_key import SaveProviderKey
from application.generation.queueing import GenerateText
from application.jobs import perform
from application.ports import NotAsked
from domain.generation.generation import Generation
from domain.generation.pricing import TokenPrice
from tests.support.generations import MODELS
from tests.support.studio import Studio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep and watch without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(answering, "WATCH_SECONDS", 0.0)


def waiting(studio: Studio) -> list[tuple[str, bool]]:
    """The model of each job that waits, and whether a key of the payer's own pays."""
    jobs = [job for job, _ in studio.jobs.waiting]
    return [(job.model, job.own_key) for job in jobs if isinstance(job, GenerateText)]


async def move(studio: Studio) -> None:
    """Perform the job that waits; what it enqueues waits."""
    await studio._react()
    [(job, _)], studio.jobs.waiting = studio.jobs.waiting, []
    await perform(job, studio.performer_ports)


async def test_while_a_model_does_not_answer_its_generations_wait_for_the_fallback() -> None:
    studio = await Studio().open()
    studio.provider.shut = {"swift"}
    asked = await studio.ask_for()
    await move(studio)
    assert (waiting(studio), studio.provider.asked) == ([("thrifty", False)], [])
    assert (await studio.generation(asked.id)).attempt == 0
    await studio.work()
    done = await studio.generation(asked.id)
    assert [prompt.model for prompt in studio.provider.asked] == ["thrifty"]
    assert (done.status, done.model, done.fallback, done.answered_by) == ("done", "swift", "thrifty", "thrifty")
    assert done.cost_micros == MODELS["thrifty"].cost(100, 10)
    assert studio.happened().count("generation.attempt_started") == 1


async def test_one_that_waits_for_a_fallback_is_asked_of_it_although_its_model_answers_again() -> None:
    studio = await Studio().open()
    studio.provider.shut = {"swift"}
    await studio.ask_for()
    await move(studio)
    studio.provider.shut = set()
    await studio.work()
    assert [prompt.model for prompt in studio.provider.asked] == ["thrifty"]


async def test_one_whose_fallback_does_not_answer_either_goes_back() -> None:
    studio = await Studio().open()
    studio.provider.shut = {"swift"}
    await studio.ask_for()
    await move(studio)
    studio.provider.shut = {"thrifty"}
    await studio.work()
    assert [prompt.model for prompt in studio.provider.asked] == ["swift"]


async def test_a_paused_fallback_is_neither_asked_nor_waited_for() -> None:
    studio = await Studio().open()
    studio.provider.shut, studio.jobs.paused_resources = {"swift"}, {"thrifty"}
    studio.provider.scripts = [[NotAsked("The model")]]
    asked = await studio.ask_for()
    with pytest.raises(NotAsked):
        await studio.try_once()
    assert [prompt.model for prompt in studio.provider.asked] == ["swift"]
    assert ((await studio.generation(asked.id)).tries, waiting(studio)) == (0, [("swift", False)])


async def test_what_a_key_of_the_payer_pays_has_no_fallback() -> None:
    studio = await Studio().open()
    studio.provider.shut = {"swift"}
    await studio.ask(SaveProviderKey(team_id=None, key="sk-otters-hold-hands-1234"), studio.ada)
    await studio.ask_for()
    await studio.work()
    assert [prompt.model for prompt in studio.provider.asked] == ["swift"]


async def test_a_job_of_an_earlier_round_moves_nothing() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.work()
    before = len(studio.store.log)
    studio.provider.shut = {"swift"}
    studio.see_again()
    await studio.work()
    assert len(studio.store.log) == before
    assert (await studio.generation(asked.id)).status == "done"


async def test_the_request_says_whose_key_pays() -> None:
    studio = await Studio().open()
    await studio.ask_for()
    await studio.ask(SaveProviderKey(team_id=None, key="sk-otters-hold-hands-1234"), studio.ada)
    await studio.ask_for()
    await studio._react()
    assert waiting(studio) == [("swift", False), ("swift", True)]
    requested = [event for event in studio.store.log if isinstance(event, Generation.Requested)]
    assert [(event.stand_in, event.own_key) for event in requested] == [(None, False), (None, True)]


async def test_one_whose_model_has_left_the_catalogue_ends_and_keeps_nothing_reserved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    monkeypatch.delitem(MODELS, "swift")
    await studio.work()
    failed = await studio.generation(asked.id)
    assert (failed.status, failed.failure, studio.provider.asked) == ("failed", "refused", [])
    assert (await studio.budget()).reserved == {}


async def test_one_whose_fallback_has_left_the_catalogue_is_asked_of_its_own_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    studio = await Studio().open()
    studio.provider.shut = {"swift"}
    asked = await studio.ask_for()
    await move(studio)
    monkeypatch.delitem(MODELS, "thrifty")
    monkeypatch.setitem(MODELS, "swift", replace(MODELS["swift"], fallbacks=()))
    await studio.work()
    done = await studio.generation(asked.id)
    assert (done.status, done.fallback) == ("done", None)
    assert [prompt.model for prompt in studio.provider.asked] == ["swift"]
    assert (await studio.budget()).reserved == {}


async def test_a_job_that_does_not_know_that_a_key_of_the_payer_pays_has_no_fallback_either() -> None:
    studio = await Studio().open()
    studio.provider.shut = {"swift"}
    await studio.ask(SaveProviderKey(team_id=None, key="sk-otters-hold-hands-1234"), studio.ada)
    asked = await studio.ask_for()
    await studio._react()
    [(job, at)] = studio.jobs.waiting
    assert isinstance(job, GenerateText)
    studio.jobs.waiting = [(replace_in(job, own_key=False, model="thrifty"), at)]
    await studio.work()
    assert [(prompt.model, prompt.key) for prompt in studio.provider.asked] == [("swift", "sk-otters-hold-hands-1234")]
    assert ((await studio.generation(asked.id)).cost_micros, (await studio.budget()).used_micros) == (0, 0)


async def test_a_fallback_that_a_key_of_the_payer_pays_costs_no_money() -> None:
    studio = await Studio().open()
    await studio.ask(SaveProviderKey(team_id=None, key="sk-otters-hold-hands-1234"), studio.ada)
    asked = await studio.ask_for()
    command = StartAttempt(generation_id=asked.id, round=1, lost_tokens=0, prompt_tokens=10, model="thrifty")
    await studio.send(command, studio.ada, "start")
    started = await studio.generation(asked.id)
    assert (started.fallback, started.asked_price) == ("thrifty", TokenPrice(0, 0))
