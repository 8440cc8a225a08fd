"""From commit to visible: how long an acknowledged append takes to show in a read model, with 600 appends a second.

The projector runs beside, as it does in earnest, and keeps all read models. The clock starts when the append is
acknowledged, and stops when the checkpoint was read that the commit of the read model's row has moved. A notification
says when to read it.
"""

import asyncio
from collections.abc import Iterator
from time import perf_counter

import psycopg

from infra.bootstrap.write_side import WriteSide
from infra.projector.checkpoints import CHANNEL
from tests.bench import ours, processes
from tests.bench.harness import TEXT, Bench, Row, below, told
from tests.support.servers import open_folder, own_redis

READ_MODEL = "document"
REACHED = "SELECT position FROM projections WHERE name = %s"
RATE = 600
SECONDS = 30.0
SETTLING_SECONDS = 3.0
PATIENCE = 2.0
"""What has not shown by then counts as if it never did."""
TICK = 0.01
"""Appends begin in small groups, 100 times a second, whether or not earlier ones are done."""

Moments = list[tuple[int, float]]
"""Positions, and when something happened to them."""


def rows(bench: Bench) -> Iterator[Row]:
    """One long turn: there is no peer."""
    with (
        bench.database() as database,
        ours.opened(database) as own,
        open_folder() as folder,
        own_redis() as redis,
        processes.role("projector", database, folder, redis.url),
    ):
        processes.wait_until(lambda: own(_has_tables), "the tables are there")
        own(measure, bench.seconds(SETTLING_SECONDS))
        delays = own(measure, bench.seconds(SECONDS))
    name = f"commit to visible, {RATE} appends/s"
    for share in (0.5, 0.95):
        yield told(f"{name}: p{share * 100:.0f}", "ms", at_share(delays, share))
    yield below(f"{name}: p99", "ms", [at_share(delays, 0.99)], 50)
    yield told(f"{name}: slowest", "ms", delays[-1])


async def measure(core: WriteSide, seconds: float) -> list[float]:
    """The delays of all appends in milliseconds, the shortest first."""
    async with await psycopg.AsyncConnection.connect(core.url, autocommit=True) as connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        seen: Moments = []
        watching = asyncio.create_task(_watch(core, connection, seen))
        acknowledged = await append(core, seconds)
        await asyncio.sleep(PATIENCE)
        watching.cancel()
    return sorted(delays_of(acknowledged, seen))


async def _watch(core: WriteSide, connection: psycopg.AsyncConnection, seen: Moments) -> None:
    async for _ in connection.notifies():
        [(position,)] = await core.database.rows(REACHED, [READ_MODEL])
        seen.append((position, perf_counter()))


async def append(core: WriteSide, seconds: float, rate: int = RATE) -> Moments:
    """Append `rate` events a second for so long. Answers when each position was acknowledged."""
    acknowledged: Moments = []

    async def write() -> None:
        position = await core.store.append([ours.new_document(TEXT)], ours.CALL, None)
        assert isinstance(position, int)
        acknowledged.append((position, perf_counter()))

    started = perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for tick in range(round(seconds / TICK)):
            await asyncio.sleep(max(0.0, started + tick * TICK - perf_counter()))
            for _ in range(round(rate * TICK)):
                tasks.create_task(write())
    return sorted(acknowledged)


def delays_of(acknowledged: Moments, seen: Moments) -> Iterator[float]:
    """Milliseconds from each acknowledgement to the first sight of that position or a later one."""
    reached, never = iter(seen), (2**62, float("inf"))
    position, moment = next(reached, never)
    for wanted, since in acknowledged:
        while position < wanted:
            position, moment = next(reached, never)
        yield max(0.0, moment - since) * 1000


def at_share(delays: list[float], share: float) -> float:
    """The delay that this share of all stays below; `delays` are sorted."""
    return delays[int(len(delays) * share)]


async def _has_tables(core: WriteSide) -> bool:
    found = await core.database.rows("SELECT count(*) FROM projections WHERE name = %s", [READ_MODEL])
    return found == [(1,)]
