"""A policy as a consumer of the log.

For each batch: states are loaded; the policy reacts to each event, and its commands are sent; then states and jobs are
stored in the transaction of the checkpoint. After a failure the batch is repeated from the stored states: the same
events cause the same commands with the same keys, so that none counts twice.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from application.cause import Cause
from application.jobs import Job
from application.policy import Policy
from application.ports import EventFeed, RecordedEvent, Undecodable
from infra.policies import states
from infra.policies.commands import Causes, PolicySend
from infra.policies.reactions import Reactions, StagedEvent
from infra.policies.tables import POLICY_CHECKPOINTS, VERSION
from infra.postgres.projector_connection import Connection
from infra.projector.consumers import BatchPostponed, bisect
from infra.projector.quarantine import retry_stream
from infra.sealing.store_keys import StoreKeys
from projections.kernel import UNREADABLE, Poison

EnqueueOn = Callable[[Connection, Sequence[Job], Sequence[Cause]], Awaitable[None]]
"""Keeps jobs, each with its cause, in the transaction of the connection."""

MAX_BATCH = 100
"""Events in one transaction. Few: their commands are sent while it is open."""


class BatchSize:
    """How many events policies take at once: fewer after a batch whose commands took too long."""

    def __init__(self, most: int = MAX_BATCH) -> None:
        self.value = self._most = most

    def shrink(self) -> None:
        """Take half as many."""
        self.value = max(1, self.value // 2)

    def grow(self) -> None:
        """Take twice as many, up to the most."""
        self.value = min(self._most, self.value * 2)


@dataclass(frozen=True, slots=True)
class PolicyParts:
    """What policies work with."""

    send: PolicySend
    enqueue: EnqueueOn
    stamps: StoreKeys


class PolicyConsumer:
    """Implements `LogConsumer` for one policy."""

    version = VERSION

    def __init__(self, policy: Policy, parts: PolicyParts, batch_size: BatchSize) -> None:
        self.policy = policy
        self.name = policy.name
        self._parts = parts
        self._batch_size = batch_size
        self._topics = {getattr(event, "TOPIC", "") for event in policy.events}

    async def apply(
        self, connection: Connection, events: Sequence[RecordedEvent], quarantined: Collection[UUID] = ()
    ) -> list[Poison]:
        """See `LogConsumer.apply`."""
        wanted = [event for event in events if self._wants(event) and event.stream_id not in quarantined]
        if not wanted:
            return []
        poisons: dict[UUID, Poison] = {}
        staged = [found for event in wanted if (found := self._stage(event, poisons)) is not None]
        kept = {}
        if self.policy.state is not None:
            kept = await states.load(connection, self.name, {each.key for each in staged})
        causes = Causes(connection, self._parts.stamps, wanted)
        reactions = Reactions(self.policy, self._parts.send, causes, kept, poisons)
        await self._react(reactions, staged)
        await states.store(connection, self.name, reactions.changed)
        if reactions.jobs:
            jobs, caused_by = zip(*reactions.jobs, strict=True)
            await self._parts.enqueue(connection, jobs, caused_by)
        return list(poisons.values())

    async def apply_carefully(
        self, connection: Connection, events: Sequence[RecordedEvent], quarantined: Collection[UUID] = ()
    ) -> list[Poison]:
        """See `LogConsumer.apply_carefully`."""
        return await bisect(self.apply, connection, events, quarantined)

    async def _react(self, reactions: Reactions, staged: Sequence[StagedEvent]) -> None:
        try:
            await reactions.run(staged)
        except TimeoutError:
            self._batch_size.shrink()
            raise BatchPostponed("commands take too long") from None
        self._batch_size.grow()

    def _wants(self, event: RecordedEvent) -> bool:
        data = type(event.data)
        return event.topic in self._topics if data is Undecodable else data in self.policy.events

    def _stage(self, event: RecordedEvent, poisons: dict[UUID, Poison]) -> StagedEvent | None:
        """Return the event with the key of its state; None: it cannot be read, and goes to `poisons`."""
        if event.stream_id in poisons:
            return None
        try:
            if not isinstance(event.data, Undecodable):
                return StagedEvent(event, event.data, self.policy.key(event.data))
            error = UNREADABLE
        except Exception as failure:
            error = type(failure).__name__
        poisons[event.stream_id] = Poison(event.stream_id, event.position, error)
        return None


async def retry_policy(
    policy: Policy, parts: PolicyParts, stream_id: UUID, feed: EventFeed, url: str, *, skip: bool = False
) -> Poison | None:
    """React to the events that a quarantined stream has missed. See `retry_stream`, also for what it raises."""
    consumer = PolicyConsumer(policy, parts, BatchSize())
    return await retry_stream(consumer, POLICY_CHECKPOINTS, stream_id, feed, url, skip=skip, batch_size=MAX_BATCH)
