"""Projector loop: reads checkpoints, starts rebuilds, isolates failing consumers and retries after outages.

Subclasses move the consumers: `log_projector.py` along the whole log, `partitioned_projector.py` along partitions.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import structlog

from application.ports import EventFeed
from infra.asyncio_compat import goes_on
from infra.errors import SetupError
from infra.postgres.projector_connection import Connection, ProjectorSession, is_outage
from infra.projector.checkpoints import Checkpoint
from infra.projector.consumers import LogConsumer, LogConsumerSet
from infra.projector.pacing import LOCKED_SECONDS, POLL_SECONDS, STANDBY_SECONDS, back_off
from infra.projector.rebuild.rebuild import RebuildRunning
from projections.kernel import Poison

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ConsumerState:
    """State of one consumer in this projector. `position`: None until the checkpoint was read.

    `partition_positions`: positions by partition, as far as they are known; empty unless the feed has partitions.
    """

    consumer: LogConsumer
    kind: str
    position: int | None = None
    partition_positions: dict[int, int] = field(default_factory=dict)
    last_seen: int | None = None
    """The position before standing by: if the checkpoint has moved from it, another projector is at work."""
    paused_until: float = 0.0
    failures: int = 0
    rebuilding: "asyncio.Task[None] | None" = None
    superseded: bool = False
    """The table has a newer version than this code knows."""

    @property
    def name(self) -> str:
        """The consumer's name."""
        return self.consumer.name

    def is_at(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint is as this projector left it."""
        return (checkpoint.version, checkpoint.position) == (self.consumer.version, self.position)

    def back_off(self, seconds: float) -> None:
        """Pause, then read the checkpoint again."""
        last_seen = self.position
        self.reset()
        self.last_seen = last_seen
        self.paused_until = monotonic() + seconds

    def reset(self) -> None:
        """Forget the position: the checkpoint has to be read again."""
        self.position = self.last_seen = None
        self.partition_positions = {}

    def failed(self, error: Exception) -> None:
        """Back off after a failure, longer after each one in a row."""
        self.failures += 1
        pause = back_off(self.failures)
        what = {self.kind: self.name}
        log.error(f"{self.kind} failed", **what, error=type(error).__name__, pause=round(pause, 3))
        self.back_off(pause)
        self.last_seen = None

    def lost_to_other(self, checkpoint: Checkpoint | None) -> None:
        """Back off because another projector has moved the checkpoint, or (None) holds its lock."""
        self.back_off(LOCKED_SECONDS if checkpoint is None else STANDBY_SECONDS)
        if checkpoint is not None:
            self.last_seen = checkpoint.position


Apply = Callable[[Sequence[ConsumerState], bool], Awaitable[None]]
"""Applies one batch to some consumers in one transaction; with True, it searches for the events that fail."""


class ProjectorLoop:
    """Feeds `consumers` with the events of the log. `feed`: the whole log."""

    def __init__(self, consumers: LogConsumerSet, feed: EventFeed, url: str) -> None:
        self._consumers = consumers
        self._checkpoints = consumers.checkpoints
        self._kind = consumers.checkpoints.names.kind
        self._states = [ConsumerState(consumer, self._kind) for consumer in consumers.members]
        self._feed = feed
        self._session = ProjectorSession(url)

    async def run(self) -> None:
        """Project until cancelled. After an outage it backs off and goes on."""
        failures = 0
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._stop)
            while goes_on():
                try:
                    await self._round()
                    failures = 0
                except Exception as error:
                    failures += 1
                    pause = back_off(failures)
                    reason = str(error) if isinstance(error, SetupError) else type(error).__name__
                    log.warning("projector paused", of=self._kind, error=reason, pause=round(pause, 3))
                    for state in self._states:
                        state.reset()
                    await asyncio.sleep(pause)

    async def _stop(self) -> None:
        rebuilds = [state.rebuilding for state in self._states if state.rebuilding is not None]
        for rebuilding in rebuilds:
            rebuilding.cancel()
        # They drop their tables.
        await asyncio.gather(*rebuilds, return_exceptions=True)
        await self._session.close()

    async def _round(self) -> None:
        """Apply the next events, or wait for some."""
        raise NotImplementedError

    async def _apply_or_isolate(self, group: Sequence[ConsumerState], apply: Apply) -> None:
        """Apply a batch to all of `group` in one transaction; if that fails, to each consumer alone.

        Raises:
            Exception: the database is not available.
        """
        try:
            await apply(group, False)
        except Exception as error:
            if is_outage(error):
                raise
            for state in group:
                await self._apply_alone(state, apply)

    @staticmethod
    async def _apply_alone(state: ConsumerState, apply: Apply) -> None:
        try:
            await apply([state], True)
        except Exception as error:
            if is_outage(error):
                raise
            state.failed(error)

    def _poll_timeout(self) -> float:
        """Seconds until a paused consumer is due, at most `POLL_SECONDS`."""
        due = [state.paused_until for state in self._states if state.position is None and not state.superseded]
        return max(0.001, min([POLL_SECONDS, *(at - monotonic() for at in due if at > monotonic())]))

    async def _read_checkpoints(self, connection: Connection) -> None:
        """Read the checkpoints that are not known; start the rebuilds that a new version needs."""
        now = monotonic()
        unknown = [
            state
            for state in self._states
            if state.position is None and state.paused_until <= now and not state.rebuilding and not state.superseded
        ]
        if not unknown:
            return
        await self._consumers.prepare(connection, [state.name for state in unknown])
        found = await self._checkpoints.read(connection, [state.name for state in unknown])
        head = await self._feed.head()
        for state in unknown:
            self._start_from(state, found[state.name], head)

    def _start_from(self, state: ConsumerState, checkpoint: Checkpoint, head: int) -> None:
        if checkpoint.version > state.consumer.version:
            state.superseded = True
            log.warning("table is newer than this code", projection=state.name, version=checkpoint.version)
        elif (rebuild := self._consumers.rebuild(state.name, checkpoint, head)) is not None:
            state.rebuilding = asyncio.create_task(self._run_rebuild(state, rebuild))
        elif state.last_seen is not None and state.last_seen != checkpoint.position:
            # Another projector moves it: stand by until the checkpoint no longer moves.
            state.position = checkpoint.position
            state.back_off(STANDBY_SECONDS)
        else:
            state.position = checkpoint.position

    async def _run_rebuild(self, state: ConsumerState, rebuild: Coroutine[Any, Any, object]) -> None:
        log.info("projection is being rebuilt", projection=state.name, version=state.consumer.version)
        try:
            await rebuild
        except RebuildRunning:
            state.back_off(STANDBY_SECONDS)
        except Exception as error:
            state.failed(error)
        else:
            log.info("projection rebuilt", projection=state.name, version=state.consumer.version)
            state.back_off(0)
            state.last_seen = None
        finally:
            state.rebuilding = None

    async def _quarantine(self, connection: Connection, name: str, poisons: Sequence[Poison]) -> None:
        await self._checkpoints.quarantine(connection, name, poisons)
        for poison in poisons:
            log.error(
                "stream quarantined",
                **{self._kind: name},
                stream_id=str(poison.stream_id),
                position=poison.position,
                error=poison.error,
            )
