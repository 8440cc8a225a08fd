"""What a projector needs, in memory: a session, a table that remembers what was applied, checkpoints."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from application.ports import RecordedEvent
from infra.projector import loop, read_models
from infra.projector.checkpoints import PROJECTIONS, Checkpoint
from infra.projector.loop import ProjectorLoop
from projections.kernel import ReadModel
from tests.support.waiting import MAX_WAIT_SECONDS


async def run_to_its_end(projector: ProjectorLoop) -> None:
    """Run a projector until one of its parts cancels it.

    Raises:
        TimeoutError: none does.
    """
    with contextlib.suppress(asyncio.CancelledError):
        async with asyncio.timeout(MAX_WAIT_SECONDS):
            await projector.run()


class Connection:
    """A connection whose transactions do nothing."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield


class Session:
    """A session with that connection."""

    def __init__(self, url: str) -> None: ...

    async def get(self) -> Connection:
        return Connection()

    async def close(self) -> None: ...


class MemoryCheckpoints:
    """Checkpoints, and the positions that were applied: `applied` has the name and positions of each batch."""

    def __init__(self, *stored: Checkpoint) -> None:
        self.stored = {checkpoint.name: checkpoint for checkpoint in stored}
        self.applied: list[tuple[str, list[int]]] = []
        self.locked: set[str] = set()
        """Names that another transaction has locked."""

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let projectors use these checkpoints, and no database."""

        def writer(model: ReadModel) -> MemoryTable:
            return MemoryTable(model, self)

        for name in ("read", "lock", "advance", "merge_partitions"):
            monkeypatch.setattr(PROJECTIONS, name, getattr(self, name))
        monkeypatch.setattr(read_models, "ensure_tables", self.ensure_tables)
        monkeypatch.setattr(loop, "ProjectorSession", Session)
        monkeypatch.setattr(read_models, "TableWriter", writer)

    async def ensure_tables(self, connection: object, models: Iterable[ReadModel]) -> None:
        for model in models:
            self.stored.setdefault(model.name, Checkpoint(model.name, model.version, 0))

    async def read(self, connection: object, names: Iterable[str]) -> dict[str, Checkpoint]:
        return {name: self.stored[name] for name in names}

    async def lock(self, connection: object, names: Iterable[str], *, wait: bool = True) -> dict[str, Checkpoint]:
        assert not wait
        return {name: self.stored[name] for name in names if name not in self.locked}

    async def advance(self, connection: object, names: Iterable[str], position: int) -> None:
        for name in names:
            self.stored[name] = replace(self.stored[name], position=position)

    async def merge_partitions(self, connection: object, found: Iterable[Checkpoint], position: int) -> None:
        assert all(checkpoint.position < position for checkpoint in found)


class MemoryTable:
    """A table writer that only notes the positions."""

    def __init__(self, model: ReadModel, memory: MemoryCheckpoints) -> None:
        self.name, self.version, self._memory = model.name, model.version, memory

    async def apply(self, connection: object, events: Sequence[RecordedEvent], quarantined: object) -> list[Any]:
        self._memory.applied.append((self.name, [event.position for event in events]))
        return []
