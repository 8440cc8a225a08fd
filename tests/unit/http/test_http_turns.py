"""Long work in threads: few at a time, and too many that wait are refused, so that nothing else waits for them."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.fair_queue import FairTurns
from adapters.http.api.context import CONTEXT
from adapters.http.api.deps import MAX_COMPUTATIONS
from adapters.http.api.queries import MAX_WAITING, QueryReader
from application.ports import Unavailable
from tests.support.given import NOW


def reader_with(computations: FairTurns) -> QueryReader:
    """A reader of a request, which shares the turns with all others."""
    deps = SimpleNamespace(computations=computations, history=None, clock=lambda: NOW)
    context = SimpleNamespace(deps=deps, identity=SimpleNamespace(actor=None, session_id=None), header=lambda _: None)
    return QueryReader(cast(Any, SimpleNamespace(scope={CONTEXT: context})))


async def test_few_computations_run_at_a_time_and_a_crowd_is_refused() -> None:
    computations, end = FairTurns(MAX_COMPUTATIONS), asyncio.Event()
    running, most = 0, 0

    async def compute() -> None:
        nonlocal running, most
        async with reader_with(computations).turn():
            running += 1
            most = max(most, running)
            await end.wait()
            running -= 1

    crowd = [asyncio.create_task(compute()) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await compute()
    end.set()
    await asyncio.gather(*crowd)
    assert most == MAX_COMPUTATIONS
