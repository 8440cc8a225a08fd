"""Rebuilds, before anything is loaded: one at a time, with an empty table; and what is left of one that was killed."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest

from infra.postgres.projector_connection import Connection
from infra.projector.rebuild import abandoned
from infra.projector.rebuild import rebuild as rebuilding
from infra.projector.rebuild.abandoned import SWEEP_SECONDS, drop_repeatedly
from infra.projector.rebuild.rebuild import RebuildRunning, _Rebuild
from infra.projector.statements import NEXT
from tests.support import memory_projector
from tests.support.notes import Notes


def rebuild_on(connection: Any) -> _Rebuild:
    return _Rebuild(Notes(), Mock(), cast(Connection, connection), Mock(), Mock(), None)


async def test_a_rebuild_that_runs_already_is_refused() -> None:
    taken = SimpleNamespace(fetchone=AsyncMock(return_value=(False,)))
    with pytest.raises(RebuildRunning, match="notes"):
        await rebuild_on(SimpleNamespace(execute=AsyncMock(return_value=taken))).run(swap=True)


async def test_a_rebuild_begins_with_an_empty_table_whatever_an_earlier_one_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[tuple[str, object]] = []

    async def drop(_: object, name: str) -> None:
        done.append(("drop", name))

    async def create(_: object, statements: object, model: Notes) -> None:
        done.append(("create", model.version))

    monkeypatch.setattr(rebuilding, "drop", drop)
    monkeypatch.setattr(rebuilding, "create", create)
    await rebuild_on(memory_projector.Connection())._start_over()
    assert done == [("drop", f"notes{NEXT}"), ("create", Notes.version)]


async def test_what_killed_rebuilds_have_left_is_dropped_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise asyncio.CancelledError

    drop = AsyncMock(side_effect=[OSError("away"), None, None])
    monkeypatch.setattr(abandoned, "drop_abandoned", drop)
    monkeypatch.setattr(abandoned, "asyncio", SimpleNamespace(sleep=sleep))
    with pytest.raises(asyncio.CancelledError):
        await drop_repeatedly("url")
    assert (slept, drop.await_count) == ([SWEEP_SECONDS] * 3, 3)
