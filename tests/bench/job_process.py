"""A worker process of the bench: ours, or plain procrastinate as its manual has it. It works until it is killed."""

import asyncio
import sys
from functools import partial
from typing import Any, ClassVar

import procrastinate
import uvloop

from application.jobs import Job, Performer, Turn, performs
from infra.bootstrap.write_side import utc_now
from infra.jobs.encoding import JobCodec
from infra.jobs.manager import QueueAccess
from infra.jobs.worker import silence_library
from infra.jobs.workers import run_workers
from infra.postgres.connect import create_pool
from infra.postgres.database import Database
from infra.sealing.job_seals import JobSeals
from infra.settings.jobs import DEFAULT_CONCURRENCY
from infra.telemetry.logs import configure_logging

WORKER = "tests.bench.job_process"
"""This module, run with a kind of worker and the address of a database."""
QUEUE, PLAIN_QUEUE = "bench", "plain"
CONCURRENCY = DEFAULT_CONCURRENCY["generation"]
PLAIN_TASK = "nothing"
WAIT_SECONDS, PLACES = 0.005, DEFAULT_CONCURRENCY["mail"]
"""How long a job waits for a server, and how many of them do at a time."""
BUSY_QUEUE, BUSY_PLACES, BUSY_SECONDS = "busy", 8, 0.2
"""Jobs at a time, and how long each takes."""


class Nothing(Job, frozen=True, kw_only=True):
    """A job without work."""

    kind: ClassVar[str] = "nothing"
    queue: ClassVar[str] = QUEUE
    number: int

    @property
    def effect_key(self) -> str:
        return f"nothing:{self.number}"


class HoldPlace(Job, frozen=True, kw_only=True):
    """A job that keeps a place for a while. Payers take turns."""

    kind: ClassVar[str] = "busy"
    queue: ClassVar[str] = BUSY_QUEUE
    payer: str

    @property
    def effect_key(self) -> str:
        return f"busy:{self.payer}"

    @property
    def turn(self) -> Turn:
        return Turn(self.payer, "river", 1)


async def do_nothing(job: Nothing) -> None:
    """Perform a job without work."""


async def wait(job: Nothing) -> None:
    """Wait for a server, as a job that sends a mail."""
    await asyncio.sleep(WAIT_SECONDS)


async def hold_place(job: HoldPlace) -> None:
    """Keep a place."""
    await asyncio.sleep(BUSY_SECONDS)


def codec() -> JobCodec:
    """The encoding of jobs, with a key of the bench."""
    return JobCodec(JobSeals("bench", {"bench": bytes(32)}))


def plain_app(url: str, **options: Any) -> procrastinate.App:
    """An app of procrastinate as its manual has it, on the schema `jobs`."""
    connector = procrastinate.PsycopgConnector(conninfo=url, kwargs={"options": "-c search_path=jobs"}, **options)
    app = procrastinate.App(connector=connector)

    @app.task(queue=PLAIN_QUEUE, name=PLAIN_TASK)
    async def nothing(number: int) -> None: ...

    return app


async def work(url: str, performer: Performer, queue: str, concurrency: int) -> None:
    """Work as our worker role does."""
    performs(performer)  # here, so that other tests which import this file know no such kind
    pool = create_pool(url, 6)
    await pool.open()
    database = Database(pool)
    access, ports = QueueAccess(database, url), {"database": database, "oldest_needed": None}
    await run_workers(access, codec(), ports, {queue: concurrency, "housekeeping": 1}, utc_now)


async def work_plain(url: str) -> None:
    """Work as procrastinate does."""
    async with plain_app(url, max_size=CONCURRENCY).open_async() as app:
        await app.run_worker_async(queues=[PLAIN_QUEUE], concurrency=CONCURRENCY)


if __name__ == "__main__":
    configure_logging("ERROR", "console")
    silence_library()
    kind, url = sys.argv[1:]
    workers = {
        "ours": partial(work, url, do_nothing, QUEUE, CONCURRENCY),
        "waiting": partial(work, url, wait, QUEUE, PLACES),
        "busy": partial(work, url, hold_place, BUSY_QUEUE, BUSY_PLACES),
        "plain": partial(work_plain, url),
    }
    uvloop.run(workers[kind]())
