"""Jobs: through one and two worker processes, into the queue, an idle worker, from an event to the start of its job.

The peer is plain procrastinate.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
from procrastinate.types import JSONDict

from infra.jobs.queue import PostgresJobQueue
from infra.postgres.connect import connect_async, create_pool
from infra.postgres.database import Database
from tests.bench import job_delays
from tests.bench.harness import Bench, Row, against, below, told
from tests.bench.job_process import (
    PLACES,
    PLAIN_QUEUE,
    PLAIN_TASK,
    QUEUE,
    WAIT_SECONDS,
    WORKER,
    Nothing,
    codec,
    plain_app,
)
from tests.bench.processes import processor_seconds, running
from tests.bench.visible import at_share
from tests.support.jobs import keys_fit
from tests.support.servers import Database as DatabaseForTests
from tests.support.waiting import wait_until

JOBS, BATCH, IDLE_SECONDS, DELAYS_SECONDS = 10_000, 500, 20.0, 20.0
MAX_MILLISECONDS, MAX_ENQUEUE_MILLISECONDS, MAX_IDLE_PERCENT = 5.0, 0.5, 2.0
"""For 200 jobs a second through a process, 2,000 a second into the queue, and an idle process."""

MAX_DELAY_MILLISECONDS = 100.0
FEW = 2_000
"""Jobs that wait, and jobs of the peer: it reads all that are kept at each fetch, and 10,000 may take it a minute."""
OUR_WORKERS = 2
"""Queues of a process of ours: each has a worker of its own."""

EMPTY = "TRUNCATE jobs.procrastinate_jobs, jobs.procrastinate_workers CASCADE"
READY = "SELECT count(*) FROM jobs.procrastinate_workers"
IS_DONE = """
SELECT NOT EXISTS (SELECT FROM jobs.procrastinate_jobs WHERE status IN ('todo', 'doing') AND queue_name = %s)
"""
TOOK = """
SELECT extract(epoch FROM max(at) - min(at))::float8 FROM jobs.procrastinate_events
WHERE type IN ('started', 'succeeded')
"""


def rows(bench: Bench) -> Iterator[Row]:
    """All of it."""
    number, few = bench.count(JOBS), bench.count(FEW)
    with bench.database() as database:
        one, two, plain = bench.in_turns(
            lambda: _rate(database, number, "ours"),
            lambda: _rate(database, number, "ours", processes=2),
            lambda: _rate(database, few, "plain"),
        )
        yield below("jobs without work through one worker process", "ms/job", _milliseconds(one), MAX_MILLISECONDS)
        yield against(
            "jobs without work through one worker process (peer: plain procrastinate)", "jobs/s", one, plain, 1.0
        )
        # One process and its PostgreSQL use most of a small machine: two are held back by its cores, but lose nothing.
        yield against("jobs without work through two worker processes (peer: one)", "jobs/s", two, one, 1.0)
        one, two = bench.in_turns(
            lambda: _rate(database, few, "waiting"),
            lambda: _rate(database, few, "waiting", processes=2),
        )
        name = f"jobs that wait for a server for {1_000 * WAIT_SECONDS:.0f} ms, {PLACES} at a time"
        yield against(f"{name}, through two worker processes (peer: one)", "jobs/s", two, one, 1.4)
        enqueued, deferred = bench.in_turns(
            lambda: _filled(database, _enqueue, number), lambda: _filled(database, _defer, number)
        )
        label = f"enqueue {BATCH} jobs a transaction"
        yield below(label, "ms/job", _milliseconds(enqueued), MAX_ENQUEUE_MILLISECONDS)
        yield against(f"{label} (peer: plain procrastinate)", "jobs/s", enqueued, deferred)
        yield below("idle worker", "% of a core", [_idle(database, bench.seconds(IDLE_SECONDS))], MAX_IDLE_PERCENT)
    with bench.database() as database:
        delays = job_delays.delays(database, bench.seconds(DELAYS_SECONDS))
        name = f"event to the start of its job, {job_delays.RATE} events/s"
        yield told(f"{name}: p50", "ms", at_share(delays, 0.5))
        yield below(f"{name}: p99", "ms", [at_share(delays, 0.99)], MAX_DELAY_MILLISECONDS)


def _milliseconds(rates: list[float]) -> list[float]:
    return [1_000 / rate for rate in rates]


def _rate(database: DatabaseForTests, number: int, kind: str, processes: int = 1) -> float:
    """Jobs a second, from the begin of the first to the end of the last. They come when all workers are ready."""
    is_plain = kind == "plain"
    enqueue, queue, workers = (_defer, PLAIN_QUEUE, 1) if is_plain else (_enqueue, QUEUE, OUR_WORKERS)
    _empty(database)
    with psycopg.connect(database.admin_url, autocommit=True) as connection, ExitStack() as stack:
        for _ in range(processes):
            stack.enter_context(running(WORKER, kind, database.part_url("worker")))
        wait_until(lambda: connection.execute(READY).fetchone() == (processes * workers,))
        asyncio.run(enqueue(database, number, number))
        wait_until(lambda: connection.execute(IS_DONE, [queue]).fetchone() == (True,))
        [(seconds,)] = connection.execute(TOOK).fetchall()
    return number / float(seconds)


def _filled(database: DatabaseForTests, enqueue: Callable[..., Coroutine[Any, Any, float]], number: int) -> float:
    """Jobs a second into an empty queue."""
    _empty(database)
    return asyncio.run(enqueue(database, number))


async def _enqueue(database: DatabaseForTests, number: int, together: int = BATCH) -> float:
    """Jobs a second into the queue, as a policy enqueues them. `together`: so many in a transaction."""
    pool = create_pool(database.part_url("worker"), 2)
    await pool.open()
    queue = PostgresJobQueue(Database(pool), codec(), keys_fit)
    async with await connect_async(database.part_url("worker")) as connection:
        started = time.perf_counter()
        for begin in range(0, number, together):
            jobs = [Nothing(number=each) for each in range(begin, min(begin + together, number))]
            async with connection.transaction():
                await queue.enqueue_on(connection, jobs, len(jobs) * [None])
        seconds = time.perf_counter() - started
    await pool.close()
    return number / seconds


async def _defer(database: DatabaseForTests, number: int, together: int = BATCH) -> float:
    """The same by procrastinate itself."""
    async with plain_app(database.part_url("worker"), min_size=1, max_size=2).open_async() as app:
        task = app.configure_task(PLAIN_TASK, queue=PLAIN_QUEUE)
        started = time.perf_counter()
        for begin in range(0, number, together):
            arguments: list[JSONDict] = [{"number": each} for each in range(begin, min(begin + together, number))]
            await task.batch_defer_async(*arguments)
        return number / (time.perf_counter() - started)


def _empty(database: DatabaseForTests) -> None:
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(EMPTY)


def _idle(database: DatabaseForTests, seconds: float) -> float:
    """The share of a core, in percent, that a worker uses while there is nothing to do."""
    _empty(database)
    with running(WORKER, "ours", database.part_url("worker")) as process:
        wait_until(lambda: processor_seconds(process.pid) > 0)
        time.sleep(5)
        before, started = processor_seconds(process.pid), time.perf_counter()
        time.sleep(seconds)
        return 100 * (processor_seconds(process.pid) - before) / (time.perf_counter() - started)
