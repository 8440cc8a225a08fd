"""Job of batches: what came of them is recorded, text by text, as if it had been written at once.

The provider's list of batches says what there is, and the log what is wanted of it. So a batch that was begun by a
worker that died is found, and one that is read twice changes nothing. Its files are deleted after that.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from application.generation.answering import Answering
from application.generation.attempting import request_name
from application.generation.batch_failures import LASTING, BatchFailures, NotJudged
from application.generation.batching import AT_ONCE, BATCH_RETRIES, MAX_TEXTS, batch_attempt, key_owner
from application.generation.canary import canary_of
from application.generation.provider_key import used_key
from application.idempotency import KeyedHash
from application.jobs import Retries, ScheduledJob, performs
from application.ports import (
    AnswerCut,
    BatchedGeneration,
    BatchedGenerations,
    BatchProvider,
    BatchResult,
    Clock,
    EventStore,
    KeyRefused,
    Models,
    Moderation,
    PartialTexts,
    PromptRefused,
    ProviderBatch,
    SendAsUser,
    TokenCounter,
    Unavailable,
    Unreadable,
)
from domain.generation.generation import Generation
from domain.generation.provider_key import ProviderKey
from domain.kernel import Party

LOST_AFTER = timedelta(minutes=20)
"""After this time a batch that the provider does not have was never begun: longer than `SUBMIT_TIME`."""
ORPHANED_AFTER = timedelta(hours=1)
"""After this time a running batch with no generation that is known to be in it is cancelled."""
FOLLOWED = timedelta(days=4)
"""How long batches are looked after: longer than the window of the provider, and than its files are kept."""
OUR_TIME, KEY_TIME = timedelta(minutes=15), timedelta(minutes=3)
"""The longest time that the batches of our key, and of one of payers, are followed in one run."""
MISSING = "The rest of the batch"
ID_LENGTH = 36
"""Of the id of a generation, with which the names of its requests begin."""


class FollowBatches(ScheduledJob, frozen=True, kw_only=True):
    """Record what has come of batches, and delete what they have left at the provider."""

    kind: ClassVar[str] = "follow_batches"
    run_timeout: ClassVar[timedelta] = timedelta(minutes=30)
    retries: ClassVar[Retries] = BATCH_RETRIES
    every: ClassVar[str | None] = "* * * * *"

    @property
    def lock(self) -> str | None:
        """One worker at a time reads batches."""
        return self.kind


@performs
async def follow_batches(
    job: FollowBatches,
    batched_generations: BatchedGenerations,
    batches: BatchProvider,
    events: EventStore,
    moderation: Moderation,
    tokens: TokenCounter,
    digests: KeyedHash,
    partial_texts: PartialTexts,
    models: Models,
    send_as_user: SendAsUser,
    clock: Clock,
) -> None:
    """Follow the batches of each key.

    Raises:
        Unavailable, Busy, InFlight, NotSettled: some could not be read; all others are.
        JobFailed: the provider refuses our key, or some generations cannot be read or ended; all else is done.
    """
    settler = BatchSettler(events, PatientModeration(moderation), tokens, digests, partial_texts, send_as_user)
    submitted = await batched_generations.submitted(clock() - FOLLOWED)
    payers = {each.batch: each.key_owner for each in submitted if each.batch is not None}
    follower, keys = BatchFollower(batches, events, settler, payers, clock()), _by_key(submitted)
    if any(model.batch_input_price is not None for model in models.all()):
        # No generation names a batch any more if all of it was erased.
        keys.setdefault(None, [])
    for payer in sorted(keys, key=lambda payer: payer is not None):  # what we pay comes first
        async with settler.failures.going_on(payer):
            await follower.follow(payer, keys[payer])
    settler.failures.report()


def _by_key(members: Iterable[BatchedGeneration]) -> dict[Party | None, list[BatchedGeneration]]:
    found: dict[Party | None, list[BatchedGeneration]] = {}
    for member in members:
        found.setdefault(member.key_owner, []).append(member)
    return found


class PatientModeration:
    """Implements `application.ports.Moderation` for texts that the provider keeps: they are judged later instead."""

    def __init__(self, moderation: Moderation) -> None:
        self._moderation = moderation

    async def judge(self, text: str) -> tuple[str, ...]:
        """Return the categories for which a text is refused.

        Raises:
            NotJudged: there is no judgement now.
        """
        try:
            return await self._moderation.judge(text)
        except Unavailable as outage:
            raise NotJudged(outage) from None


@dataclass(frozen=True, slots=True)
class BatchSettler:
    """Ends the attempts of generations in batches."""

    events: EventStore
    moderation: PatientModeration
    tokens: TokenCounter
    digests: KeyedHash
    partial_texts: PartialTexts
    send: SendAsUser
    failures: BatchFailures = field(default_factory=BatchFailures)

    async def attempts(self, batch_id: UUID, ids: Iterable[UUID]) -> list[Generation]:
        """Return those of the generations whose attempt in this batch is under way."""
        loaded = [await self._load(id) for id in ids]
        return [each for each in loaded if each is not None and each.attempt_is_open and each.batch_id == batch_id]

    async def _load(self, id: UUID) -> Generation | None:
        try:
            return await self.events.load(Generation, id)
        except Unreadable as failure:
            self.failures.note(id, failure)
            return None

    async def settle_all(
        self, batch_id: UUID, wanted: Sequence[Generation], results: Mapping[str, BatchResult], missing: BatchResult
    ) -> None:
        """Record what has come of attempts under way. `missing`: what has come of those that have no result.

        A text that can never be recorded is noted, and its attempt is lost.

        Raises:
            NotJudged, Unavailable, Busy, InFlight, NotSettled: some texts are not recorded.
        """
        ends: list[BaseException | None] = []
        for first in range(0, len(wanted), AT_ONCE):
            settling = [self._settle(each, batch_id, results, missing) for each in wanted[first : first + AT_ONCE]]
            ends += await asyncio.gather(*settling, return_exceptions=True)
        for generation, failure in zip(wanted, ends, strict=True):
            if failure is not None and not self.failures.is_noted(generation.id, failure):
                raise failure

    async def _settle(
        self, generation: Generation, batch_id: UUID, results: Mapping[str, BatchResult], missing: BatchResult
    ) -> None:
        names = [request_name(generation, generation.attempt, variant) for variant in range(1, generation.variants + 1)]
        canary = canary_of(self.digests, generation.id)
        answering = Answering(
            self.events, self.partial_texts, generation.id, generation.attempt, generation.variants, canary
        )
        attempt = batch_attempt(generation, batch_id, self.tokens, self.send)
        found = [results.get(name, missing) for name in names]
        try:
            await attempt.settle(found, self.moderation, answering)
        except LASTING as failure:
            if not self.failures.is_noted(generation.id, failure):
                raise
            await attempt.lose(found)
        await self.partial_texts.remove(generation.id, attempt.number)

    async def end_unasked(self, batch_id: UUID, ids: Iterable[UUID]) -> None:
        """End the attempts of a batch that was never begun: nothing is paid, and they are no tries."""
        for generation in await self.attempts(batch_id, ids):
            try:
                await batch_attempt(generation, batch_id, self.tokens, self.send).end_unasked()
            except LASTING as failure:
                if not self.failures.is_noted(generation.id, failure):
                    raise


@dataclass(frozen=True, slots=True)
class BatchFollower:
    """Follows the batches of one key after the other."""

    batches: BatchProvider
    events: EventStore
    settler: BatchSettler
    payers: Mapping[UUID, Party | None]
    """Whose keys pay for the batches that are known: another key may show them, too."""
    now: datetime

    async def follow(self, payer: Party | None, members: Sequence[BatchedGeneration]) -> None:
        """Follow all batches of a key. `members`: the generations that are known to be, or to have been, in them.

        Raises:
            Unavailable: the batches could not be listed, or there are too many of them.
            PromptRefused: the provider refuses our key.
            Unreadable: the key is damaged.
        """
        longest = OUR_TIME if payer is None else KEY_TIME
        try:
            async with asyncio.timeout(longest.total_seconds()):
                await self._follow(payer, members)
        except TimeoutError:
            raise Unavailable("The provider (too slow)") from None

    async def _follow(self, payer: Party | None, members: Sequence[BatchedGeneration]) -> None:
        ids: dict[UUID, list[BatchedGeneration]] = {}
        for member in members:
            if member.batch is not None:
                ids.setdefault(member.batch, []).append(member)
        used = None if payer is None else await used_key(self.events, payer)
        key = None if used is None else used.key
        try:
            if payer is not None and key is None:
                raise KeyRefused("it is gone")
            found = await self.batches.since(self.now - FOLLOWED, key)
        except (PromptRefused, Unavailable) as failure:
            if not ids:
                return  # Nothing is known to be there: the next look is soon enough.
            if payer is None or not isinstance(failure, KeyRefused):
                raise
            for batch_id, some in ids.items():
                await self._refuse(batch_id, _submitted(some), failure)
            return
        for batch in found:
            if self.payers.get(batch.id, payer) == payer:
                async with self.settler.failures.going_on(payer):
                    await self._follow_one(batch, ids.get(batch.id, []), payer, key)
        begun = {batch.id for batch in found if batch.stage != "uploaded"}
        for batch_id, some in ids.items():
            late = [each for each in some if each.is_submitted and self.now - each.since > LOST_AFTER]
            if batch_id not in begun and late:
                await self._end_late(batch_id, late, used)

    async def _end_late(self, batch_id: UUID, late: Sequence[BatchedGeneration], used: ProviderKey | None) -> None:
        """End the attempts of a batch that the provider does not have.

        If the payer has saved another key since, another account may have written it: it is not sent again.
        """
        replaced = [each.id for each in late if used is not None and used.created_on > each.since]
        await self._refuse(batch_id, replaced, KeyRefused("it was replaced"))
        await self.settler.end_unasked(batch_id, [each.id for each in late if each.id not in replaced])

    async def _refuse(self, batch_id: UUID, ids: Iterable[UUID], refusal: KeyRefused) -> None:
        """End the attempts of a batch that cannot be reached, as its key is not used any more."""
        await self.settler.settle_all(batch_id, await self.settler.attempts(batch_id, ids), {}, refusal)

    async def _follow_one(
        self, batch: ProviderBatch, members: Sequence[BatchedGeneration], payer: Party | None, key: str | None
    ) -> None:
        """Cancel a batch that is not wanted any more, record what has come of one that has ended, and clear it."""
        age, ids = self.now - batch.created_at, _submitted(members)
        if batch.stage == "running":
            is_wanted = any(each.is_open for each in await self.settler.attempts(batch.id, ids))
            if not is_wanted and (ids or age > ORPHANED_AFTER):
                await self.batches.cancel(batch, key)
        elif batch.stage == "uploaded":
            if age > LOST_AFTER:
                await self.batches.clear(batch, key)
        elif batch.stage != "cancelling":
            results = await self.batches.results(batch, key)
            named = [*dict.fromkeys(UUID(name[:ID_LENGTH]) for name in results)][:MAX_TEXTS]
            wanted = await self.settler.attempts(batch.id, dict.fromkeys([*ids, *named]))
            if any(key_owner(each) != payer for each in wanted):
                return  # The file of a payer decides on no texts of others.
            missing = AnswerCut(MISSING) if batch.stage == "completed" else Unavailable(MISSING)
            await self.settler.settle_all(batch.id, wanted, results, missing)
            await self.batches.clear(batch, key)


def _submitted(members: Iterable[BatchedGeneration]) -> list[UUID]:
    return [member.id for member in members if member.is_submitted]
