"""Reading of a generation while it is written: how long a reader waits, and which texts it gets."""

import asyncio
from types import SimpleNamespace
from uuid import UUID

import pytest

from application.generation import watching
from application.generation.generation import RetryGeneration
from application.generation.watching import MAX_PAUSE_SECONDS, GenerationReader
from application.ports import AttemptText
from tests.support.studio import Studio


class Clock:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(round(seconds, 3))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of readers."""
    clock = Clock()
    monkeypatch.setattr(watching, "monotonic", lambda: clock.now)
    monkeypatch.setattr(watching, "asyncio", SimpleNamespace(sleep=clock.sleep, gather=asyncio.gather))
    return clock


async def asked(studio: Studio) -> tuple[GenerationReader, UUID]:
    """A reader, and a generation that waits."""
    await studio.open()
    generation = await studio.ask_for()
    return GenerationReader(studio.store, studio.partial_texts, studio.jobs, studio.ada), generation.id


@pytest.mark.parametrize(
    ("wait", "pauses"),
    [
        (0, []),
        (0.05, [0.05]),
        (0.1, [0.05, 0.05]),
        (2.0, [0.05, 0.1, 0.2, 0.4, MAX_PAUSE_SECONDS, MAX_PAUSE_SECONDS, 0.25]),
    ],
)
async def test_a_reader_looks_again_ever_more_rarely_until_its_time_is_over(
    clock: Clock, wait: float, pauses: list[float]
) -> None:
    reader, id = await asked(Studio())
    assert (await reader.view(id, wait)).status == "queued"
    assert clock.pauses == pauses


async def test_a_reader_goes_on_when_the_text_is_there(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = Studio()
    reader, id = await asked(studio)

    async def pause(seconds: float) -> None:
        await clock.sleep(seconds)
        if len(clock.pauses) == 2:
            await studio.work()

    monkeypatch.setattr(watching, "asyncio", SimpleNamespace(sleep=pause, gather=asyncio.gather))
    view = await reader.view(id, 10)
    assert (view.status, clock.pauses) == ("done", [0.05, 0.1])
    assert view.texts == [view.text]
    assert view.text


async def test_the_texts_of_an_attempt_are_read_from_their_starts_on() -> None:
    studio = Studio()
    reader, id = await asked(studio)
    queued = await reader.current(id)
    assert await reader.texts(queued, 0, [0, 0]) == ["", ""]
    for variant, text in ((1, "Otters."), (2, "Herons.")):
        await studio.partial_texts.append(AttemptText(id, 3, variant), 0, text)
    assert await reader.texts(queued, 3, [2, 0]) == ["ters.", "Herons."]


async def test_of_a_complete_generation_only_the_last_attempt_has_texts() -> None:
    studio = Studio()
    reader, id = await asked(studio)
    await studio.work()
    done = await reader.current(id)
    assert await reader.texts(done, done.attempt, [1]) == [done.text[1:]]
    assert await reader.texts(done, done.attempt + 1, [0]) == [""]


async def test_what_was_kept_in_an_earlier_round_is_not_shown() -> None:
    studio = Studio()
    reader, id = await asked(studio)
    studio.moderation.refused = {"Otters": ("hate",)}
    await studio.work()
    # The worker was killed before it removed what it had kept of the refused text.
    await studio.partial_texts.append(AttemptText(id, 1, 1), 0, "Otters.")
    assert (await reader.view(id, 0)).texts == [""]
    await studio.ask(RetryGeneration(id=id), studio.ada)
    again = await reader.view(id, 0)
    assert (again.status, again.attempt, again.texts) == ("queued", 1, [""])
    await studio.partial_texts.append(AttemptText(id, 2, 1), 0, "Herons.")
    assert await reader.texts(await reader.current(id), 2, [0]) == ["Herons."]
