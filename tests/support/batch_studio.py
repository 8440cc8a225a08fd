"""Ada's studio with a provider of batches: its server in memory, and the jobs of batches, which may be killed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from adapters.provider.catalogue import Catalogue
from adapters.provider.client import ProviderAccount
from adapters.provider.openai_batches import OpenAIBatches
from application.generation.batch_following import FollowBatches
from application.generation.batching import SubmitBatches
from application.generation.generation import GenerationView
from application.jobs import Job, perform
from application.ports import BatchedGeneration, NotSettled
from domain.generation.generation import Generation
from tests.support.batch_server import OWNER, BatchServer, ServerTransport
from tests.support.memory_store import MemoryEventStore
from tests.support.provider_servers import KEY
from tests.support.studio import Studio

CATALOGUE = Catalogue(
    """
default = "swift"

[[models]]
name = "swift"
api = "chat"
input_price = 1_000_000
output_price = 2_000_000
batch_input_price = 500_000
batch_output_price = 1_000_000
context_window = 20_000
max_output_tokens = 4_000
capabilities = []
fallbacks = []

[[models]]
name = "thrifty"
api = "responses"
input_price = 100_000
output_price = 200_000
batch_input_price = 50_000
batch_output_price = 100_000
context_window = 20_000
max_output_tokens = 4_000
capabilities = []
fallbacks = []
"""
)


class Killed(BaseException):
    """The worker is dead."""


class MemoryBatchedGenerations:
    """Implements `application.ports.BatchedGenerations`. `seen`: how much of the log; None: all of it."""

    def __init__(self, store: MemoryEventStore) -> None:
        self._store = store
        self.seen: int | None = None

    async def waiting(self) -> list[BatchedGeneration]:
        return [self._row(each) for each in self._generations() if each.status == "queued" and not each.attempt_is_open]

    async def submitted(self, since: datetime) -> list[BatchedGeneration]:
        return [self._row(each) for each in self._generations() if self._batch(each) is not None]

    def _generations(self) -> list[Generation]:
        found: dict[UUID, Generation] = {}
        for event in self._store.log[: self.seen]:
            if isinstance(event, Generation.Requested) or event.originator_id in found:
                generation = event.mutate(found.get(event.originator_id))
                assert generation is not None
                found[event.originator_id] = generation
        return [each for each in found.values() if each.latest_at is not None and not each.erased]

    def _row(self, each: Generation) -> BatchedGeneration:
        is_submitted, since = each.batch_id is not None, each.modified_on
        return BatchedGeneration(
            each.id, each.writer, each.payer_kind, each.payer_id, each.own_key, self._batch(each), is_submitted, since
        )

    def _batch(self, generation: Generation) -> UUID | None:
        batches = [
            event.batch_id
            for event in self._store.log[: self.seen]
            if isinstance(event, Generation.AttemptStarted) and event.originator_id == generation.id
        ]
        return batches[-1] if batches else None


class BatchStudio(Studio):
    """A studio whose worker submits and follows batches. `kill_at`: "before" or "after", and a step."""

    def __init__(self) -> None:
        super().__init__()
        self.server = BatchServer(now=self.clock)
        self.batched = MemoryBatchedGenerations(self.store)
        self.batches = OpenAIBatches(
            ProviderAccount("http://batches.invalid/v1", KEY),
            CATALOGUE,
            self.clock,
            OWNER,
            transport=ServerTransport(self.server),
        )
        self.kill_at = self.fail_once_after = ""

    async def ask_for_batch(self, **more: Any) -> GenerationView:
        """Ask for a text that is not urgent."""
        return await self.ask_for(urgency="batch", **more)

    async def submit(self) -> None:
        """Perform the job that sends batches."""
        await self._perform(SubmitBatches())

    async def follow(self) -> None:
        """Perform the job that follows batches."""
        await self._perform(FollowBatches())

    async def go_through(self) -> None:
        """Send what waits, and record what came of it."""
        await self.submit()
        await self.follow()
        await self.follow()

    async def go_on(self, hours: float) -> None:
        """Let time pass."""
        self.now += timedelta(hours=hours)

    async def _perform(self, job: Job) -> None:
        await self._react()
        ports = {**self.performer_ports, "batches": Killing(self, self.batches), "batched_generations": self.batched}
        ports |= {"send_as_user": self._killing("send", ports["send_as_user"])}
        await perform(job, ports)

    def _killing(self, name: str, call: Any) -> Callable[..., Any]:
        async def called(*arguments: Any, **named: Any) -> Any:
            step = type(arguments[0]).__name__ if name == "send" else name
            self._die_at(f"before {step}")
            result = await call(*arguments, **named)
            self._die_at(f"after {step}")
            if self.fail_once_after == step:
                self.fail_once_after = ""
                raise NotSettled
            return result

        return called

    def _die_at(self, step: str) -> None:
        if self.kill_at == step:
            self.kill_at = ""
            raise Killed


class Killing:
    """Batches whose methods are steps at which the worker may die."""

    def __init__(self, studio: BatchStudio, batches: OpenAIBatches) -> None:
        self._studio = studio
        self._batches = batches

    def __getattr__(self, name: str) -> Any:
        return self._studio._killing(name, getattr(self._batches, name))
