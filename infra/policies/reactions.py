"""The reactions of one policy to one batch of events.

Events that share a stream or a state form a lane. A lane goes on in order: an event is reacted to when all commands
about the events before it were carried out. Lanes run at the same time.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from application.cause import Cause
from application.commands import Command
from application.jobs import Job
from application.policy import Policy, react_to
from application.ports import RecordedEvent
from domain.kernel import Root
from infra.policies import states
from infra.policies.commands import Causes, PolicySend, carry_out, cause_by
from infra.postgres.projector_connection import is_poison
from infra.projector.consumers import BatchPostponed
from projections.kernel import Poison

MAX_SECONDS = 5.0
"""The longest time for the commands of a batch, in seconds. Their transaction may be idle for 10 s (`IDLE_TIMEOUT`)."""

MAX_LANES = 16
"""Lanes that run at the same time."""


@dataclass(frozen=True, slots=True)
class StagedEvent:
    """An event of the policy. `key`: of its state."""

    event: RecordedEvent
    data: Root.Event
    key: UUID


class Reactions:
    """Runs a batch. `changed`: the states to store; `poisons`: the first event of each stream that failed."""

    def __init__(
        self,
        policy: Policy,
        send: PolicySend,
        causes: Causes,
        kept: dict[UUID, bytes | None],
        poisons: dict[UUID, Poison],
    ) -> None:
        self._policy = policy
        self._send = send
        self._causes = causes
        self._states = kept
        self._poisons = poisons
        self._jobs: list[tuple[int, list[tuple[Job, Cause]]]] = []
        self._obstacle: Exception | None = None
        self.changed: dict[UUID, bytes | None] = {}

    @property
    def jobs(self) -> list[tuple[Job, Cause]]:
        """The jobs with their causes, in the order of the events."""
        return [job for _, jobs in sorted(self._jobs, key=lambda found: found[0]) for job in jobs]

    async def run(self, staged: Sequence[StagedEvent]) -> None:
        """React to all events.

        Raises:
            TimeoutError: it took longer than `MAX_SECONDS`.
            Exception: something else than an event is in the way, see `is_poison`.
        """
        free = asyncio.Semaphore(MAX_LANES)
        async with asyncio.timeout(MAX_SECONDS):
            await asyncio.gather(*(self._run_lane(lane, free) for lane in lanes(staged)))
        if self._obstacle is not None:
            raise self._obstacle

    async def _run_lane(self, lane: Sequence[StagedEvent], free: asyncio.Semaphore) -> None:
        async with free:
            for staged in lane:
                if self._obstacle is not None:
                    return
                event = staged.event
                poison = self._poisons.get(event.stream_id)
                # A later event may have failed already: one that cannot be read.
                if poison is not None and poison.position < event.position:
                    continue
                try:
                    await self._react(staged)
                except Exception as error:
                    if isinstance(error, BatchPostponed) or not is_poison(error):
                        self._obstacle = error
                        return
                    self._poisons[event.stream_id] = Poison(event.stream_id, event.position, type(error).__name__)

    async def _react(self, staged: StagedEvent) -> None:
        policy, key = self._policy, staged.key
        before = self._states.get(key)
        step = react_to(policy, staged.data, states.decode(policy, before))
        jobs = [each for each in step.reactions if isinstance(each, Job)]
        commands = [each for each in step.reactions if isinstance(each, Command)]
        if len(jobs) + len(commands) < len(list(step.reactions)):
            raise TypeError(f"{policy.name} returns something that is neither a job nor a command")
        after = states.encode(step.state)
        if commands or jobs:
            found = await self._causes.of(staged.event)
            await carry_out(policy, commands, staged.event, found, self._send)
            self._jobs.append((staged.event.position, [(job, cause_by(found)) for job in jobs]))
        if after != before:
            self._states[key] = self.changed[key] = after


def lanes(staged: Iterable[StagedEvent]) -> list[list[StagedEvent]]:
    """Split a batch into lanes, each in order. No two lanes share a stream or a state."""
    parents: dict[UUID, UUID] = {}

    def find(id: UUID) -> UUID:
        while (parent := parents.setdefault(id, id)) != id:
            id = parent
        return id

    found: defaultdict[UUID, list[StagedEvent]] = defaultdict(list)
    batch = list(staged)
    for each in batch:
        parents[find(each.key)] = find(each.event.stream_id)
    for each in batch:
        found[find(each.event.stream_id)].append(each)
    return list(found.values())
