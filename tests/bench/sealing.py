"""The sealer beside writers: what it takes from 5,000 appends a second, and how far it is behind 600 a second.

It runs as a process, as in service. Writers of the peer's side have the same store without a sealer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from time import perf_counter

from domain.content.document import Document
from infra.audit.lag import BACKLOG
from infra.bootstrap.write_side import WriteSide
from tests.bench import ours, processes, visible
from tests.bench.append import append
from tests.bench.harness import TEXT, Bench, Row, against, below, told
from tests.support.servers import Database, open_folder, own_redis
from tests.support.stores import rows as rows_of

WRITERS = 64
RATE = 5_000
SECONDS = 4.0
FOLLOWED_RATE = 600
FOLLOWED_SECONDS = 15.0
LOOK_SECONDS = 0.05
Measured = Callable[[WriteSide, list[Document], float], Awaitable[float]]
"""Appends for so many seconds, and answers the events a second."""
SEALED = "SELECT (SELECT max(size) FROM log_checkpoints) >= (SELECT max(notification_id) FROM stored_events)"


def rows(bench: Bench) -> Iterator[Row]:
    """Stores with and without a sealer take turns; then one long turn, which has no peer."""
    with (
        bench.database() as database,
        bench.database() as other,
        ours.opened(database) as own,
        ours.opened(other) as alone,
        open_folder() as folder,
        own_redis() as redis,
    ):
        documents, others = (each(ours.store_documents, WRITERS, 1, TEXT) for each in (own, alone))
        with processes.role("sealer", database, folder, redis.url):
            _wait_for_sealer(database)

            def beside(measured: Measured) -> float:
                found = own(measured, documents, bench.seconds(SECONDS))
                _wait_for_sealer(database)
                return found

            def without(measured: Measured) -> float:
                return alone(measured, others, bench.seconds(SECONDS))

            for name, measured, reach in (
                (f"append, {RATE:,} a second are begun", at_rate, 0.95),
                (f"append, {WRITERS} writers", append, None),
            ):
                mine, theirs = bench.in_turns(partial(beside, measured), partial(without, measured))
                yield against(f"{name}, beside a sealer (peer: without)", "events/s", mine, theirs, reach)
            lags = sorted(own(follow, bench.seconds(FOLLOWED_SECONDS)))
    name = f"sealer behind {FOLLOWED_RATE} appends/s"
    yield told(f"{name}: median", "s", lags[len(lags) // 2])
    yield below(f"{name}: most", "s", [lags[-1]], 2.0)


async def at_rate(core: WriteSide, documents: list[Document], seconds: float) -> float:
    """Events a second of writers that together begin `RATE` appends a second, or fewer if they do not keep up."""
    started, pause = perf_counter(), len(documents) / RATE

    async def write(document: Document, first: float) -> None:
        for turn in range(round(seconds / pause)):
            await asyncio.sleep(max(0.0, first + turn * pause - perf_counter()))
            ours.retitle(document, f"{document.version:08}{TEXT}")
            await core.store.append([document], ours.CALL, None)

    await asyncio.gather(*[write(document, started + n / RATE) for n, document in enumerate(documents)])
    return round(seconds / pause) * len(documents) / max(seconds, perf_counter() - started)


async def follow(core: WriteSide, seconds: float) -> list[float]:
    """The age of the oldest event that is not sealed, in seconds, looked at again and again while others append."""
    lags: list[float] = []

    async def look() -> None:
        while True:
            [(_, _, age)] = await core.database.rows(BACKLOG, [])
            lags.append(max(0.0, age))
            await asyncio.sleep(LOOK_SECONDS)

    looking = asyncio.create_task(look())
    await visible.append(core, seconds, FOLLOWED_RATE)
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking
    return lags


def _wait_for_sealer(database: Database) -> None:
    processes.wait_until(lambda: rows_of(database.admin_url, SEALED) == [(True,)], "the log is sealed")
