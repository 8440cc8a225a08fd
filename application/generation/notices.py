"""Job: who asked for a text gets a mail when all tries have failed."""

from typing import ClassVar
from uuid import UUID

from application.jobs import performs
from application.notices import NoticeMail
from application.ports import EventStore, JobQueue
from application.request_notices import TellJob
from domain.generation.generation import Generation


class TellOfFailure(TellJob, frozen=True, kw_only=True):
    """Tell the asker that a generation is dead. `version`: of the generation then."""

    kind: ClassVar[str] = "tell_of_failure"

    generation_id: UUID
    version: int

    @property
    def effect_key(self) -> str:
        """Part of the key of the mail that it causes."""
        return f"{self.generation_id.hex}.{self.version}"


@performs
async def tell_of_failure(job: TellOfFailure, events: EventStore, queue: JobQueue) -> None:
    """Enqueue the mail, unless the asker has tried again meanwhile, or the generation has been erased."""
    generation = await events.load(Generation, job.generation_id)
    if generation is not None and generation.version == job.version:
        await queue.enqueue(
            NoticeMail(
                template="generation_dead",
                user_id=generation.asker_id,
                about_id=generation.id,
                cause=job.effect_key,
            )
        )
