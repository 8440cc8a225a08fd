"""Reading of a generation while its text is written."""

import asyncio
from dataclasses import dataclass, replace
from time import monotonic
from uuid import UUID

from application.generation.generation import GenerationView, generation_view, read_generation
from application.ports import Actor, AttemptText, EventStore, PartialTexts
from domain.generation.generation import Generation

FIRST_PAUSE_SECONDS = 0.05
MAX_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class GenerationReader:
    """Reads generations of an actor, with their texts so far."""

    events: EventStore
    partial_texts: PartialTexts
    actor: Actor

    async def view(self, id: UUID, wait: float) -> GenerationView:
        """Return a generation with its text so far; waits up to `wait` seconds for its end.

        Raises:
            NotFound: it does not exist for the actor.
        """
        ends, pause = monotonic() + wait, FIRST_PAUSE_SECONDS
        generation = await self.current(id)
        while generation.is_open and (left := ends - monotonic()) > 0:
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 2, MAX_PAUSE_SECONDS)
            generation = await self.current(id)
        return replace(generation_view(generation), text=await self.text(generation, generation.attempt, 0))

    async def current(self, id: UUID) -> Generation:
        """Return a generation as it is. Raises `NotFound`."""
        return await read_generation(self.events, self.actor, id)

    async def text(self, generation: Generation, attempt: int, start: int) -> str:
        """Return the text of an attempt from `start` on, as far as it is known."""
        if generation.status == "done":
            return generation.text[start:] if attempt == generation.attempt else ""
        if attempt == 0:
            return ""
        return await self.partial_texts.read(AttemptText(generation.id, attempt), start)
