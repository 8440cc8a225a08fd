"""The policy of mails about generations that failed for good."""

from typing import Any

import pytest

from application.generation import answering
from application.generation.generation import CancelGeneration, RetryGeneration
from application.generation.notices import TellOfFailure
from application.policies.tell_of_failures import tell_of_failures
from application.ports import PromptRefused, Unavailable
from domain.generation.generation import MAX_TRIES, Generation
from tests.support.given import ID, NOW
from tests.support.studio import Studio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep and watch without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(answering, "WATCH_SECONDS", 0.0)


def test_a_dead_generation_causes_a_job() -> None:
    values: dict[str, Any] = {"originator_id": ID, "originator_version": 9, "timestamp": NOW}
    event = Generation.GivenUp(**values | {"failure": "unavailable"})
    assert [*tell_of_failures(event)] == [TellOfFailure(generation_id=ID, version=9, due=NOW)]


async def dead(studio: Studio) -> Generation:
    """A generation whose tries have all failed. No job was performed since."""
    studio.provider.scripts = [[Unavailable("The provider")] for _ in range(MAX_TRIES)]
    asked = await studio.ask_for()
    for _ in range(MAX_TRIES - 1):
        with pytest.raises(Unavailable):
            await studio.try_once()
    await studio.try_once()
    return await studio.generation(asked.id)


async def test_the_asker_gets_one_mail_with_a_link_to_the_request() -> None:
    studio = await Studio().open()
    generation = await dead(studio)
    assert generation.status == "dead"
    [mail] = await studio.work()
    assert (mail.template, mail.to, mail.values["token"]) == ("generation_dead", "ada@example.org", str(generation.id))
    studio.see_again()
    assert {each.message_id for each in await studio.work()} <= {mail.message_id}


async def test_who_has_tried_again_gets_no_mail_about_the_former_round() -> None:
    studio = await Studio().open()
    generation = await dead(studio)
    await studio.ask(RetryGeneration(id=generation.id), studio.ada)
    assert await studio.work() == []
    assert (await studio.generation(generation.id)).status == "done"


async def test_cancelled_and_refused_generations_cause_no_mail() -> None:
    studio = await Studio().open()
    await studio.ask(CancelGeneration(id=(await studio.ask_for()).id), studio.ada)
    studio.provider.scripts = [[PromptRefused("no")]]
    await studio.ask_for()
    assert await studio.work() == []
