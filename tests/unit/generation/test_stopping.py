"""A worker that is asked to stop, at each step of an attempt, loses nothing that was paid for, and repeats nothing."""

import asyncio
from typing import Any

import pytest

from application.generation import answering
from application.generation.attempts import EndAttempt, RecordAnswer, StartAttempt
from application.ports import AttemptText, Unavailable
from tests.support.studio import Studio


class Gate:
    """Stands before a step: `reached` when the step begins, which goes on after `opened`."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.opened.wait()


async def stop_at(studio: Studio, gate: Gate) -> None:
    """Let the worker begin, ask it to stop at the gate, and open the gate."""
    working = asyncio.create_task(studio.try_once())
    await gate.reached.wait()
    working.cancel()
    await asyncio.sleep(0)
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await working


def guard(studio: Studio, kind: type, gate: Gate) -> None:
    """Put a gate before the first command of a kind that the worker sends."""
    send, passed = studio.send, list[object]()

    async def guarded(command: Any, *args: Any, **options: Any) -> Any:
        if isinstance(command, kind) and not passed:
            passed.append(command)
            await gate()
        return await send(command, *args, **options)

    studio.send = guarded  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)


async def test_while_it_stores_a_piece_it_keeps_that_and_the_rest_once(monkeypatch: pytest.MonkeyPatch) -> None:
    studio, gate, more = await Studio().open(), Gate(), asyncio.Event()
    asked = await studio.ask_for()
    rest_came = asyncio.Event()
    studio.provider.scripts = [["Ott", more, "ers.", rest_came.set, asyncio.Event()]]
    append, stored = studio.partial_texts.append, list[tuple[int, str]]()

    async def slow(of: AttemptText, start: int, text: str) -> bool:
        more.set()
        await rest_came.wait()
        await gate()
        stored.append((start, text))
        return await append(of, start, text)

    monkeypatch.setattr(studio.partial_texts, "append", slow)
    await stop_at(studio, gate)
    ended = await studio.generation(asked.id)
    assert stored == [(0, "Ott"), (3, "ers.")]
    assert (ended.status, ended.attempt_is_open, ended.cost.tokens) == ("queued", False, asked.estimated_tokens + 2)
    assert await studio.partial_texts.read(AttemptText(asked.id, 1), 0) == "Otters."


async def test_while_it_stores_the_answer_the_answer_is_written() -> None:
    studio, gate = await Studio().open(), Gate()
    asked = await studio.ask_for()
    guard(studio, RecordAnswer, gate)
    await stop_at(studio, gate)
    done = await studio.generation(asked.id)
    assert (done.status, done.text, done.cost.tokens) == ("done", "Otters.", 110)
    await studio.work()
    assert (len(studio.provider.asked), (await studio.document()).revision) == (1, 2)


async def test_while_it_stores_a_failure_the_failure_is_stored() -> None:
    studio, gate = await Studio().open(), Gate()
    studio.provider.scripts = [[Unavailable("The provider")]]
    asked = await studio.ask_for()
    guard(studio, EndAttempt, gate)
    await stop_at(studio, gate)
    ended = await studio.generation(asked.id)
    assert (ended.attempt_is_open, ended.tries, ended.cost.tokens) == (False, 1, 0)


async def test_before_it_asks_the_provider_nothing_is_paid() -> None:
    studio, gate = await Studio().open(), Gate()
    asked = await studio.ask_for()
    guard(studio, StartAttempt, gate)
    await stop_at(studio, gate)
    ended = await studio.generation(asked.id)
    assert (ended.attempt, ended.attempt_is_open, ended.tries, ended.cost.tokens) == (1, False, 0, 0)
    assert studio.provider.asked == []
    await studio.work()
    assert ((await studio.generation(asked.id)).status, (await studio.budget()).used_tokens) == ("done", 110)
