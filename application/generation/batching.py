"""Job of batches: texts that may come within a day are sent together, for less money.

A generation waits until the job takes it. Its attempt names the batch before the provider hears of it, so a batch that
was begun is found again by this id, whatever died meanwhile (`batch_following.py`).
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar, TypeVar
from uuid import UUID

from application.generation.attempting import Attempt, request_name, store
from application.generation.attempts import StartAttempt
from application.generation.batch_failures import LASTING, BatchFailures
from application.generation.canary import canary_of
from application.generation.planning import AttemptPlan, planned
from application.generation.provider_key import used_key
from application.generation.queueing import by_own_keys
from application.idempotency import KeyedHash
from application.jobs import Retries, ScheduledJob, performs
from application.known_roots import KnownRoots
from application.ports import (
    BatchedGeneration,
    BatchedGenerations,
    BatchProvider,
    Clock,
    EventStore,
    JobQueue,
    KeyRefused,
    Moderation,
    NewId,
    Prompt,
    SendAsUser,
    TokenCounter,
    Unavailable,
)
from domain.generation.generation import Generation
from domain.kernel import Party

T = TypeVar("T")

MAX_TEXTS = 500
"""The most texts of a batch."""
MAX_CHARACTERS = 16_000_000
"""So many characters of prompts fill a batch: the job has them in memory."""
MAX_OUTPUT_TOKENS = 1_000_000
"""So many tokens of answers fill a batch: the file of its results is read whole, and may have some 60 bytes of each."""
AT_ONCE = 10
"""Attempts that are started, or settled, at the same time."""
SUBMIT_TIME = timedelta(minutes=10)
"""The longest time from the first attempt of a batch until it begins."""


BATCH_RETRIES = Retries((1, 5, 30, 60), repeat_last=True)
"""While the provider is away, the same job tries again and again."""


class SubmitBatches(ScheduledJob, frozen=True, kw_only=True):
    """Send the texts that wait for batches: a batch for each model and each key that pays."""

    kind: ClassVar[str] = "submit_batches"
    run_timeout: ClassVar[timedelta] = timedelta(minutes=30)
    retries: ClassVar[Retries] = BATCH_RETRIES
    every: ClassVar[str | None] = "*/5 * * * *"

    @property
    def lock(self) -> str | None:
        """One worker at a time takes what waits."""
        return self.kind


@performs
async def submit_batches(
    job: SubmitBatches,
    batched_generations: BatchedGenerations,
    batches: BatchProvider,
    events: EventStore,
    moderation: Moderation,
    tokens: TokenCounter,
    digests: KeyedHash,
    send_as_user: SendAsUser,
    queue: JobQueue,
    new_id: NewId,
    clock: Clock,
) -> None:
    """Send what waits, but not to models that operators have paused.

    Raises:
        Unavailable, Busy, InFlight, NotSettled: some could not be sent; all others are.
        JobFailed: some cannot be read, or are refused; all others are sent.
    """
    waiting = await batched_generations.waiting()
    paused = await queue.paused({_resource(each) for each in waiting})
    starter = BatchStarter(batches, events, moderation, tokens, digests, send_as_user, clock)
    for lane in _lanes([each for each in waiting if _resource(each) not in paused]):
        async with starter.failures.going_on(lane[0].key_owner):
            await starter.send_all(lane, new_id)
    starter.failures.report()


def _resource(generation: BatchedGeneration) -> str:
    """Return what operators pause: the model, for our key or for those of payers."""
    return by_own_keys(generation.model) if generation.own_key else generation.model


def _lanes(waiting: Sequence[BatchedGeneration]) -> list[list[BatchedGeneration]]:
    """Return what can share batches: the same model, and the same key pays."""
    lanes: dict[tuple[str, Party | None], list[BatchedGeneration]] = {}
    for generation in waiting:
        lanes.setdefault((generation.model, generation.key_owner), []).append(generation)
    return [*lanes.values()]


async def key_of(events: EventStore, payer: Party | None) -> str | None:
    """Return the key of the provider that a payer uses; None: there is none, or ours is meant. Raises `Unreadable`."""
    key = None if payer is None else await used_key(events, payer)
    return None if key is None else key.key


def key_owner(generation: Generation) -> Party | None:
    """Return the payer whose own key of the provider pays; None: ours does."""
    return generation.payer if generation.own_key else None


def batch_key(generation_id: UUID, batch_id: UUID) -> str:
    """Return what the keys of commands about a generation in a batch begin with."""
    return f"batch:{batch_id}:{generation_id}"


def batch_attempt(generation: Generation, batch_id: UUID, tokens: TokenCounter, send: SendAsUser) -> Attempt:
    """Return the attempt of a generation that is under way in a batch."""
    key, known = batch_key(generation.id, batch_id), KnownRoots(generation)
    return Attempt(key, generation, generation.attempt, generation.estimated_tokens, tokens, send, known)


@dataclass(frozen=True, slots=True)
class _Lane:
    """What the batches of one model and one key have in common. `payer`: whose key pays; None: ours does.

    `is_refused`: the key is gone, or the provider does not take it.
    """

    model: str
    payer: Party | None
    key: str | None = field(repr=False)
    is_refused: bool

    def takes(self, generation: Generation, plan: AttemptPlan) -> bool:
        """Return whether the generation is still for this model and this key. The read model may be behind."""
        if (generation.writer, key_owner(generation)) != (self.model, self.payer):
            return False
        return plan.prompt is None or plan.refused is not None or plan.prompt.key == self.key


@dataclass(frozen=True, slots=True)
class _Planned:
    """A generation that waits, and what its attempt is to send."""

    generation: Generation
    plan: AttemptPlan

    @property
    def prompts(self) -> list[Prompt]:
        """Those of all its variants."""
        return [] if self.plan.prompt is None else [self.plan.prompt] * self.generation.variants


@dataclass
class _Filling:
    """A batch that is being put together: its attempts that have started, and their prompts."""

    id: UUID
    begun_at: datetime
    prompts: list[Prompt] = field(default_factory=list)

    def fitting(self, ready: Sequence[_Planned]) -> int:
        """Return how many of them, from the first one on, have room. One that is too large has a batch of its own."""
        prompts = [*self.prompts]
        for count, each in enumerate(ready):
            if prompts and not _have_room([*prompts, *each.prompts]):
                return count
            prompts += each.prompts
        return len(ready)


def _have_room(prompts: Sequence[Prompt]) -> bool:
    """Return whether a batch may have these prompts."""
    characters = sum(len(message.text) for prompt in prompts for message in prompt.messages)
    output = sum(prompt.max_output_tokens for prompt in prompts)
    return len(prompts) <= MAX_TEXTS and characters <= MAX_CHARACTERS and output <= MAX_OUTPUT_TOKENS


async def _ends(work: Iterable[Awaitable[T]]) -> list[T | BaseException]:
    """Return the results of work that is done at the same time, or why there are none."""
    return await asyncio.gather(*work, return_exceptions=True)


def _sorted_out(ids: Sequence[UUID], ends: Sequence[T | BaseException]) -> tuple[list[T], dict[UUID, BaseException]]:
    """Return the results, and the failures by what they are about."""
    failures = {id: end for id, end in zip(ids, ends, strict=True) if isinstance(end, BaseException)}
    return [end for end in ends if not isinstance(end, BaseException)], failures


@dataclass(frozen=True, slots=True)
class BatchStarter:
    """Starts attempts in batches, and sends them."""

    batches: BatchProvider
    events: EventStore
    moderation: Moderation
    tokens: TokenCounter
    digests: KeyedHash
    send: SendAsUser
    clock: Clock
    failures: BatchFailures = field(default_factory=BatchFailures)

    async def send_all(self, waiting: Sequence[BatchedGeneration], new_id: NewId) -> None:
        """Send generations of one model and one key, in as many batches as they fill.

        Raises:
            Unavailable, PromptRefused, Busy, InFlight, NotSettled: some are not sent.
                `FollowBatches` ends the attempts that have started.
        """
        lane, filling = await self._lane(waiting[0]), _Filling(new_id(), self.clock())
        for first in range(0, len(waiting), AT_ONCE):
            ids = [each.id for each in waiting[first : first + AT_ONCE]]
            plans, failures = _sorted_out(ids, await _ends(self._plan(id, lane) for id in ids))
            left = [each for each in plans if each is not None]
            while left:
                if not (count := filling.fitting(left)):
                    await self._send(filling, lane)
                    filling = _Filling(new_id(), self.clock())
                    continue
                failures |= await self._start_all(left[:count], filling, lane)
                left = left[count:]
            passing = [failure for id, failure in failures.items() if not self.failures.is_noted(id, failure)]
            if passing:
                await self._send(filling, lane)
            for failure in passing:
                raise failure
        await self._send(filling, lane)

    async def _start_all(self, ready: Sequence[_Planned], filling: _Filling, lane: _Lane) -> dict[UUID, BaseException]:
        """Start attempts in a batch. Returns why some are not in it."""
        starting = (self._start(each, filling.id, lane) for each in ready)
        started, failures = _sorted_out([each.generation.id for each in ready], await _ends(starting))
        filling.prompts += [prompt for prompts in started for prompt in prompts]
        await self._withdraw(filling.id, failures)
        return failures

    async def _lane(self, first: BatchedGeneration) -> _Lane:
        """Ask whether the provider takes batches with this key.

        Raises:
            Unavailable, PromptRefused: it does not. Nothing is started then. The question costs nothing.
        """
        payer, key = first.key_owner, await key_of(self.events, first.key_owner)
        if payer is not None and key is None:
            return _Lane(first.model, payer, None, is_refused=True)
        try:
            await self.batches.since(self.clock(), key)
        except KeyRefused:
            if payer is None:
                raise
            return _Lane(first.model, payer, key, is_refused=True)
        return _Lane(first.model, payer, key, is_refused=False)

    async def _plan(self, id: UUID, lane: _Lane) -> _Planned | None:
        """Return the plan of a generation; None: it is for another lane, or has ended."""
        generation = await self.events.load(Generation, id)
        if generation is None or generation.batch != "waiting":
            return None
        canary = canary_of(self.digests, id)
        plan = await planned(generation, canary, self.events, self.moderation, generation.writer)
        return _Planned(generation, plan) if lane.takes(generation, plan) else None

    async def _start(self, ready: _Planned, batch_id: UUID, lane: _Lane) -> list[Prompt]:
        """Start the attempt of a generation. Returns its prompts; none: it has ended."""
        generation, plan = ready.generation, ready.plan
        prompt_tokens = 0 if plan.prompt is None else await self.tokens.count(plan.prompt.messages)
        command = StartAttempt(
            generation_id=generation.id,
            round=generation.round,
            lost_tokens=0,
            prompt_tokens=prompt_tokens,
            refused="own_key" if lane.is_refused else plan.refused,
            categories=plan.categories,
            batch_id=batch_id,
        )
        known = KnownRoots(generation, *([] if plan.document is None else [plan.document]))
        state = await store(
            self.send, command, f"{batch_key(generation.id, batch_id)}:start", generation.asker_id, known
        )
        if state.attempt is None or plan.prompt is None:
            return []
        return [
            replace(plan.prompt, key=None, request_id=request_name(generation, state.attempt, variant))
            for variant in range(1, generation.variants + 1)
        ]

    async def _withdraw(self, batch_id: UUID, failures: Mapping[UUID, BaseException]) -> None:
        """End attempts whose start has failed, or is unknown: their prompts are not in the batch."""
        for id, failure in failures.items():
            if not isinstance(failure, Exception):
                raise failure
            try:
                generation = await self.events.load(Generation, id)
                if generation is not None and generation.attempt_is_open and generation.batch_id == batch_id:
                    await batch_attempt(generation, batch_id, self.tokens, self.send).end_unasked()
            except LASTING as lasting:
                if not self.failures.is_noted(id, lasting):
                    raise

    async def _send(self, filling: _Filling, lane: _Lane) -> None:
        """Let the provider begin a batch, if it has anything."""
        if not filling.prompts:
            return
        file = await self.batches.upload(filling.id, filling.prompts, lane.key)
        if self.clock() - filling.begun_at > SUBMIT_TIME:
            raise Unavailable("The provider (too slow)")
        await self.batches.begin(filling.id, lane.model, file, lane.key)
