"""Operators act for askers: with the rights of the asker, and in the history without an actor."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.commands import Command
from application.generation import answering
from application.generation.attempts import ExpireGeneration
from application.generation.generation import DeleteGeneration, RetryGeneration
from application.ports import HistoryFilter
from domain.generation.generation import WAITING_TIME
from domain.kernel import NotFound
from tests.support.studio import Studio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep and watch without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(answering, "WATCH_SECONDS", 0.0)


async def dead_generation(studio: Studio) -> UUID:
    """Ask for a text that no worker writes. Returns the id of the generation."""
    asked = await studio.ask_for()
    studio.now += WAITING_TIME
    await studio.send(ExpireGeneration(generation_id=asked.id))
    assert (await studio.generation(asked.id)).status == "dead"
    return asked.id


async def act(studio: Studio, command: Command[Any], user_id: UUID) -> None:
    """Send a command as an operator for a user."""
    await studio.bus.send(command, replace(studio.call, on_behalf_of=user_id))


@pytest.mark.parametrize("is_of_team", [False, True], ids=["a document of a user", "a document of a team"])
async def test_an_operator_asks_again_for_a_dead_text(is_of_team: bool) -> None:
    studio = await Studio().open()
    if is_of_team:
        await studio.give_to_team()
    id = await dead_generation(studio)
    await act(studio, RetryGeneration(id=id), studio.ada.user_id)
    await studio.work()
    assert (await studio.generation(id)).status == "done"
    wanted = HistoryFilter(type="generation.requested_again")
    [trace] = (await studio.store.history(id, wanted, len(studio.store.log) + 1, 9)).traces
    assert (trace.actor_id, trace.on_behalf_of) == (None, studio.ada.user_id)


async def test_an_operator_deletes_a_dead_generation() -> None:
    studio = await Studio().open()
    id = await dead_generation(studio)
    await act(studio, DeleteGeneration(id=id), studio.ada.user_id)
    assert (await studio.generation(id)).erased


@pytest.mark.parametrize("command", [RetryGeneration, DeleteGeneration])
async def test_an_operator_may_not_do_what_the_user_may_not(command: type[RetryGeneration | DeleteGeneration]) -> None:
    studio = await Studio().open()
    id = await dead_generation(studio)
    with pytest.raises(NotFound):
        await act(studio, command(id=id), uuid4())
