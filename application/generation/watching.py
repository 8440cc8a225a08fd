"""Reading of a generation while its text is written."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic
from uuid import UUID

from application.generation.generation import GenerationView, generation_view, read_generation, with_place
from application.ports import Actor, AttemptText, EventStore, JobQueue, PartialTexts
from domain.generation.generation import Generation

FIRST_PAUSE_SECONDS = 0.05
MAX_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class GenerationReader:
    """Reads generations of an actor, with their texts so far."""

    events: EventStore
    partial_texts: PartialTexts
    queue: JobQueue
    actor: Actor

    async def view(self, id: UUID, wait: float) -> GenerationView:
        """Return a generation with its text so far, or its place in the queue; waits up to `wait` seconds for its end.

        Raises:
            NotFound: it does not exist for the actor.
        """
        ends, pause = monotonic() + wait, FIRST_PAUSE_SECONDS
        generation = await self.current(id)
        while generation.is_open and (left := ends - monotonic()) > 0:
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 2, MAX_PAUSE_SECONDS)
            generation = await self.current(id)
        texts = await self.texts(generation, generation.attempt, [0] * generation.variants)
        view = replace(generation_view(generation), text=texts[generation.variant - 1], texts=texts)
        return await with_place(view, self.queue)

    async def current(self, id: UUID) -> Generation:
        """Return a generation as it is. Raises `NotFound`."""
        return await read_generation(self.events, self.actor, id)

    async def texts(self, generation: Generation, attempt: int, starts: Sequence[int]) -> list[str]:
        """Return the texts of an attempt, each from its start on, as far as they are known and not withdrawn."""
        if generation.status == "done":
            is_last = attempt == generation.attempt
            return [
                generation.text_of(variant)[start:] if is_last else "" for variant, start in enumerate(starts, start=1)
            ]
        if attempt <= generation.earlier_attempts:
            return [""] * len(starts)
        reads = [self._kept(generation, attempt, variant, start) for variant, start in enumerate(starts, start=1)]
        return await asyncio.gather(*reads)

    async def _kept(self, generation: Generation, attempt: int, variant: int, start: int) -> str:
        """Return what is kept of a text from its start on; nothing if it is withdrawn."""
        if variant in generation.withdrawn:
            return ""
        return await self.partial_texts.read(AttemptText(generation.id, attempt, variant), start)
