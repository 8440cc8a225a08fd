"""Read models on their way, and the loop that keeps them at it: finds where they stand, rebuilds, waits out outages.

How events reach them is told in `runtime.py`, for the log as a whole, and in `shared.py`, for the log in partitions.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import monotonic

import structlog

from application.ports import EventFeed
from infra.asyncio_compat import goes_on
from infra.errors import SetupError
from infra.postgres.projector_connection import Connection, ProjectorSession
from infra.projector import checkpoints
from infra.projector.checkpoints import Checkpoint
from infra.projector.rebuild.rebuild import RebuildRunning
from infra.projector.schema import ensure_tables
from infra.projector.table_writer import TableWriter
from projections.kernel import Poison, ReadModel

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
STANDBY_SECONDS = 1.0
BUSY_SECONDS = 0.05
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
WORTH_REBUILDING = 20_000
"""Events behind: a new, empty table is rebuilt aside rather than filled in place."""

Rebuild = Callable[[ReadModel], Awaitable[object]]


@dataclass(slots=True)
class ProjectionState:
    """One read model on its way. `position` is None until it has been looked up.

    `places` are its positions by partition where it is fed in partitions, as far as they are known.
    """

    applier: TableWriter
    position: int | None = None
    places: dict[int, int] = field(default_factory=dict)
    seen: int | None = None
    rests_until: float = 0.0
    failures: int = 0
    rebuilding: "asyncio.Task[None] | None" = None
    retired: bool = False

    @property
    def name(self) -> str:
        """The projection's name."""
        return self.applier.name

    def stands_at(self, standing: Checkpoint) -> bool:
        """Whether nobody else has moved it."""
        return (standing.version, standing.position) == (self.applier.model.version, self.position)

    def rest(self, seconds: float) -> None:
        """Do nothing for a while, then look up the position."""
        seen = self.position
        self.forget()
        self.seen = seen
        self.rests_until = monotonic() + seconds

    def forget(self) -> None:
        """Look up the position."""
        self.position = self.seen = None
        self.places = {}

    def failed(self, error: Exception) -> None:
        """Rest longer with every failure in a row."""
        self.failures += 1
        pause = pause_after(self.failures)
        log.error("projection failed", projection=self.name, error=type(error).__name__, pause=round(pause, 3))
        self.rest(pause)
        self.seen = None

    def overtaken(self, standing: Checkpoint | None) -> None:
        """Another projector has moved it, or holds it just now."""
        self.rest(BUSY_SECONDS if standing is None else STANDBY_SECONDS)
        if standing is not None:
            self.seen = standing.position


def pause_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row, with jitter."""
    longest: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311


class ProjectorLoop:
    """Keeps the tables of `models` up to date. `rebuild` fills a table anew and swaps it in."""

    def __init__(self, models: Sequence[ReadModel], feed: EventFeed, url: str, rebuild: Rebuild) -> None:
        self._runners = [ProjectionState(TableWriter(model)) for model in models]
        self._feed = feed
        self._session = ProjectorSession(url)
        self._rebuild = rebuild

    async def run(self) -> None:
        """Project until cancelled. Outages are waited out."""
        failures = 0
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._stop)
            while goes_on():
                try:
                    await self._round()
                    failures = 0
                except Exception as error:
                    failures += 1
                    pause = pause_after(failures)
                    reason = str(error) if isinstance(error, SetupError) else type(error).__name__
                    log.warning("projector paused", error=reason, pause=round(pause, 3))
                    for runner in self._runners:
                        runner.forget()
                    await asyncio.sleep(pause)

    async def _stop(self) -> None:
        for runner in self._runners:
            if runner.rebuilding is not None:
                runner.rebuilding.cancel()
        await self._session.close()

    async def _round(self) -> None:
        """Do what there is to do, or wait for it."""
        raise NotImplementedError

    def _patience(self) -> float:
        """Seconds until a runner that rests has to be looked after."""
        waking = [runner.rests_until for runner in self._runners if runner.position is None and not runner.retired]
        return max(0.001, min([POLL_SECONDS, *(at - monotonic() for at in waking if at > monotonic())]))

    async def _look(self, connection: Connection) -> None:
        """Find out where the runners stand that do not know; begin the rebuilds that a new version needs."""
        now = monotonic()
        unsure = [
            runner
            for runner in self._runners
            if runner.position is None and runner.rests_until <= now and not runner.rebuilding and not runner.retired
        ]
        if not unsure:
            return
        await ensure_tables(connection, [runner.applier.model for runner in unsure])
        standings = await checkpoints.look(connection, [runner.name for runner in unsure])
        head = await self._feed.head()
        for runner in unsure:
            self._place(runner, standings[runner.name], head)

    def _place(self, runner: ProjectionState, standing: Checkpoint, head: int) -> None:
        version = runner.applier.model.version
        if standing.version > version:
            runner.retired = True
            log.warning("projection is left to newer code", projection=runner.name, version=standing.version)
        elif standing.version < version or (standing.position == 0 and head >= WORTH_REBUILDING):
            runner.rebuilding = asyncio.create_task(self._rebuilt(runner))
        elif runner.seen is not None and runner.seen != standing.position:
            # Another projector is at work: stand by as long as it is.
            runner.position = standing.position
            runner.rest(STANDBY_SECONDS)
        else:
            runner.position = standing.position

    async def _rebuilt(self, runner: ProjectionState) -> None:
        log.info("projection is being rebuilt", projection=runner.name, version=runner.applier.model.version)
        try:
            await self._rebuild(runner.applier.model)
        except RebuildRunning:
            runner.rest(STANDBY_SECONDS)
        except Exception as error:
            runner.failed(error)
        else:
            log.info("projection rebuilt", projection=runner.name, version=runner.applier.model.version)
            runner.rest(0)
            runner.seen = None
        finally:
            runner.rebuilding = None

    @staticmethod
    async def _confine(connection: Connection, name: str, poisons: Sequence[Poison]) -> None:
        await checkpoints.confine(connection, name, poisons)
        for poison in poisons:
            log.error(
                "stream quarantined",
                projection=name,
                stream_id=str(poison.stream_id),
                position=poison.position,
                error=poison.error,
            )
