"""Generations: requests that come in over HTTP, jobs through two workers, and a newcomer behind a busy payer.

The provider and moderation answer at once: what is measured is all around them. Run as a module: a worker process of
the bench.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from math import ceil
from statistics import median
from unittest.mock import patch
from uuid import UUID

import msgspec
import psycopg
from uuid_utils.compat import uuid7

from adapters.provider.guarded_moderation import NoModeration
from application.generation.queueing import GenerateText
from application.ports import Actor, AnswerEnd, Prompt, TextPiece, Usage
from domain.billing.budget import ALLOWANCES, Budget, month_of
from domain.content.document import Document
from domain.generation.generation import Generation
from domain.generation.placement import Placement
from domain.generation.pricing import TokenPrice
from domain.generation.requesting import ModelChoice, Quote, Wish, request
from infra.bootstrap import worker
from infra.bootstrap.write_side import WriteSide, utc_now
from infra.jobs.queue import PostgresJobQueue
from infra.postgres.connect import create_pool
from infra.postgres.database import Database
from infra.settings.model import Settings
from infra.telemetry.logs import configure_logging
from tests.bench import ours, processes
from tests.bench.clients import Job, Result, run
from tests.bench.clients import request as http_request
from tests.bench.harness import Bench, Row, against, below, told
from tests.bench.http import DOCUMENTS, Services, Side, open_services, reads
from tests.bench.job_process import BUSY_PLACES, BUSY_QUEUE, BUSY_SECONDS, WORKER, HoldPlace, codec
from tests.support.jobs import keys_fit
from tests.support.servers import Database as DatabaseForTests
from tests.support.servers import open_folder
from tests.support.waiting import wait_until

CLIENTS, REQUESTS, REQUEST_GOAL = 64, 2_000, 200.0
READERS, READ_SECONDS, MAX_SLOWER = 16, 0.1, 1.5
"""The readers of other routes, the time from one request of each to its next, and how much slower they may become."""
JOBS, BATCH, JOB_GOAL = 2_000, 50, 300.0
BUSY, MAX_DELAY_MILLISECONDS = 10_000, 3_000.0

BODY = msgspec.json.encode({"prompt": "Describe the river.", "max_output_tokens": 1})
MODEL = ModelChoice("gpt-5-nano", TokenPrice(50_000, 400_000), 400_000, 128_000, takes_temperature=False)
PROMPT_TOKENS, OUTPUT_TOKENS = 300, 100
LEFT = "SELECT count(*) FROM jobs.procrastinate_jobs WHERE status IN ('todo', 'doing') AND queue_name = %s"
TOOK = """
SELECT extract(epoch FROM max(at) - min(at))::float8
FROM jobs.procrastinate_events AS event JOIN jobs.procrastinate_jobs AS job ON job.id = job_id
WHERE type IN ('started', 'succeeded') AND queue_name = %s
"""
RUNNING = "SELECT count(*) FROM jobs.procrastinate_jobs WHERE status = 'doing' AND queue_name = %s"
COPY = """
INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, args)
SELECT queue_name, task_name, args FROM jobs.procrastinate_jobs, generate_series(2, %s) WHERE queue_name = %s
"""
DELAY = """
SELECT 1000 * extract(epoch FROM max(at) - min(at))::float8
FROM jobs.procrastinate_events AS event JOIN jobs.procrastinate_jobs AS job ON job.id = job_id
WHERE type IN ('deferred', 'started') AND args ->> 'payer' = 'newcomer' HAVING count(*) = 2
"""


def rows(bench: Bench) -> Iterator[Row]:
    """Each by itself."""
    with open_folder() as folder, open_services(bench, folder) as services:
        yield from _requests(bench, services)
        yield from _reads_beside(bench, services)
    rates = [_generated(bench) for _ in range(bench.rounds)]
    goal = [JOB_GOAL] * bench.rounds
    yield against("generations through two workers; beside it the goal", "jobs/s", rates, goal, 1)
    delays = [_delay(bench) for _ in range(bench.rounds)]
    name = f"first job of a payer behind {BUSY:,} of another, {BUSY_PLACES} places, {BUSY_SECONDS} s a job"
    yield below(name, "ms", delays, MAX_DELAY_MILLISECONDS)


def _requests(bench: Bench, services: Services) -> Iterator[Row]:
    """`POST .../generate` by clients who each have a document of their own."""
    results = []
    for _ in range(bench.rounds):
        results.append(run(_asking(services, bench.count(REQUESTS) // CLIENTS)))
        assert results[-1].failures == 0
    goal = [REQUEST_GOAL] * bench.rounds
    name = f"requests of generations, {CLIENTS} clients"
    yield against(f"{name}; beside it the goal", "requests/s", [result.rate for result in results], goal, 1)
    yield told(f"{name}: p95", "ms", results[-1].percentile(0.95))


def _reads_beside(bench: Bench, services: Services) -> Iterator[Row]:
    """`GET` of documents, quiet and beside as many requests of generations as the goal says, by turns."""
    seconds = bench.seconds(3)
    _, requests = reads(services, READERS)
    reading = Job(services.port, requests, seconds, interval=READ_SECONDS)
    quiet, busy = (Side(lambda: run(reading)) for _ in range(2))
    interval, asked = CLIENTS / REQUEST_GOAL, list[Result]()

    def beside_requests() -> float:
        asking = replace(_asking(services, ceil(seconds / interval)), interval=interval)
        processes.wait_for_projector(services.database)
        with ThreadPoolExecutor(1) as threads:
            beside = threads.submit(run, asking)
            rate = busy()
            asked.append(beside.result())
        # What the projector has left to do must not burden the next turn.
        processes.wait_for_projector(services.database)
        return rate

    bench.in_turns(quiet, beside_requests)
    assert sum(result.failures for result in (*asked, *busy.results, *quiet.results)) == 0
    alone, beside = quiet.percentiles(0.95), busy.percentiles(0.95)
    name = f"GET {DOCUMENTS}/{{id}}, {READERS / READ_SECONDS:.0f}/s, beside requests of generations"
    yield told(f"{name}: these requests", "requests/s", median(result.rate for result in asked[1:]))
    yield told(f"{name}: p95", "ms", median(beside))
    slower = [busy_one / quiet_one for quiet_one, busy_one in zip(alone, beside, strict=True)]
    yield below(f"{name}: p95, by that without", "times", slower, MAX_SLOWER)


def _asking(services: Services, each: int) -> Job:
    """Clients who each have a document of their own, and ask for so many texts for it."""
    documents = [(services.own(write, user_id), token) for user_id, token in services.users(CLIENTS)]
    asked = [[_ask(id, token) for _ in range(max(1, each))] for id, token in documents]
    return Job(services.port, asked, 60, once=True)


def _ask(document_id: UUID, token: str) -> bytes:
    headers = {"Authorization": f"Bearer {token}", "Idempotency_Key": str(uuid7())}
    return http_request("POST", f"{DOCUMENTS}/{document_id}/generate", BODY, **headers)


async def write(core: WriteSide, owner_id: UUID) -> UUID:
    """Store a document, and return its id."""
    document = ours.new_document("The river.", owner_id)
    await core.store.append([document], ours.CALL, None)
    return document.id


def _generated(bench: Bench) -> float:
    """Generations a second, from the begin of the first to the end of the last."""
    number = bench.count(JOBS)
    with bench.database() as database, open_folder() as folder, ExitStack() as stack:
        with ours.opened(database) as own:
            own(request_all, number)
        for _ in range(2):
            environment = {**ours.environment(database), "PALIMPSEST_DATA_DIR": str(folder)}
            stack.enter_context(processes.running(__name__, environment=environment))
        return number / _seconds(database, GenerateText.queue)


async def request_all(core: WriteSide, number: int) -> None:
    """Store generations, each of another payer, with their documents and budgets, and enqueue their jobs."""
    for first in range(0, number, BATCH):
        requested = [_requested(uuid7()) for _ in range(min(BATCH, number - first))]
        await core.store.append([root for roots in requested for root in roots], ours.CALL, None)
        await core.queue.enqueue(*[_job_of(generation) for _, generation, _ in requested])


def _requested(owner_id: UUID) -> tuple[Document, Generation, Budget]:
    now, owner = utc_now(), Actor(owner_id)
    document = ours.new_document("The river.", owner_id)
    wish, quote = Wish("Describe it.", {}, Placement(), OUTPUT_TOKENS), Quote("", PROMPT_TOKENS, month_of(now))
    generation = request(document, wish, MODEL, quote, id=uuid7(), by=owner, now=now)
    budget = Budget.open(payer=generation.payer, month=generation.month, now=now)
    tokens, micros = PROMPT_TOKENS + OUTPUT_TOKENS, generation.estimated_micros
    budget.reserve(generation.id, tokens=tokens, micros=micros, allowance=ALLOWANCES["free"], now=now)
    return document, generation, budget


def _job_of(generation: Generation) -> GenerateText:
    return GenerateText(
        generation_id=generation.id, round=1, payer_id=generation.payer_id, model=MODEL.name, plan="free"
    )


def _delay(bench: Bench) -> float:
    """Milliseconds from the enqueue of a newcomer's job to its start, while workers are busy with another payer's."""
    with bench.database() as database, psycopg.connect(database.admin_url, autocommit=True) as connection:
        asyncio.run(_enqueue(database, HoldPlace(payer="busy")))
        connection.execute(COPY, [bench.count(BUSY), BUSY_QUEUE])
        with processes.running(WORKER, "busy", database.part_url("worker")):
            wait_until(lambda: (connection.execute(RUNNING, [BUSY_QUEUE]).fetchone() or (0,))[0] > 0)
            time.sleep(2 * BUSY_SECONDS)
            asyncio.run(_enqueue(database, HoldPlace(payer="newcomer")))
            wait_until(lambda: connection.execute(DELAY).fetchone() is not None)
        [(milliseconds,)] = connection.execute(DELAY).fetchall()
    return float(milliseconds)


async def _enqueue(database: DatabaseForTests, job: HoldPlace) -> None:
    pool = create_pool(database.part_url("worker"), 2)
    async with pool:
        await PostgresJobQueue(Database(pool), codec(), keys_fit).enqueue(job)


def _seconds(database: DatabaseForTests, queue: str) -> float:
    """How long the jobs of a queue took, once all have ended."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        wait_until(lambda: connection.execute(LEFT, [queue]).fetchone() == (0,), processes.PATIENCE)
        [(seconds,)] = connection.execute(TOOK, [queue]).fetchall()
    return float(seconds)


class InstantProvider:
    """A provider that answers at once."""

    def open_models(self, model: str) -> list[str]:
        """Return the model alone."""
        return [model]

    async def answer(self, prompt: Prompt) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
        """Write a few words."""
        yield TextPiece("Otters swim here.")
        yield AnswerEnd("complete", Usage(PROMPT_TOKENS, 4))


def work_with(provider: InstantProvider) -> None:
    """Work as our worker role does, with this provider and without moderation."""
    configure_logging("ERROR", "console")
    with (
        patch.object(worker, "open_provider", lambda *_: nullcontext(provider)),
        patch.object(worker, "open_moderation", lambda *_: nullcontext(NoModeration())),
    ):
        worker.run(Settings.from_variables(os.environ))


if __name__ == "__main__":
    work_with(InstantProvider())
