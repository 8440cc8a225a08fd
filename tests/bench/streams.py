"""Streams: from a request over HTTP to the first byte of the provider, and many answers at once in one worker process.

The provider is in the worker process. Run as a module: that worker. It writes down when each answer began, how many
there were then, and how late its pieces were taken.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from uuid import UUID

import msgspec
import psycopg
from uuid_utils.compat import uuid7

from application.generation.queueing import GenerateText
from application.ports import AnswerEnd, Prompt, TextPiece, Usage
from tests.bench import ours, processes
from tests.bench.generations import (
    BODY,
    OUTPUT_TOKENS,
    PROMPT_TOKENS,
    RUNNING,
    InstantProvider,
    request_all,
    work_with,
    write,
)
from tests.bench.harness import Bench, Row, against, below, told
from tests.bench.http import DOCUMENTS, open_services
from tests.bench.visible import at_share
from tests.support.servers import Database, open_folder
from tests.support.waiting import wait_until

MAX_FIRST_MILLISECONDS = 150.0
REQUESTS, WARMING, INTERVAL_SECONDS = 100, 5, 0.1
STREAMS, PLACES, PIECES_A_SECOND, SECONDS = 200, 220, 30, 10.0
PIECE = "Otters. "
HAVE_BEGUN = "SELECT EXISTS (SELECT FROM policies)"
FILE, PIECES = "BENCH_FILE", "BENCH_PIECES"


class Answer(msgspec.Struct):
    """An answer of the provider. `beside`: how many were open at once, with it. Times in seconds."""

    began: float
    beside: int
    latest: float


def rows(bench: Bench) -> Iterator[Row]:
    """Both."""
    yield _first_byte(bench)
    yield from _many(bench)


def _first_byte(bench: Bench) -> Row:
    """One client asks, again and again; each time the queue is empty."""
    number = WARMING + bench.count(REQUESTS)
    with (
        open_folder() as folder,
        open_services(bench, folder) as services,
        _worker(services.database, folder, pieces=1) as (_, file),
    ):
        with psycopg.connect(services.database.admin_url, autocommit=True) as connection:
            wait_until(lambda: connection.execute(HAVE_BEGUN).fetchone() == (True,))
        [(user_id, token)] = services.users(1)
        document_id = services.own(write, user_id)
        asked = []
        for _ in range(number):
            asked.append(time.time())
            _ask(services.port, document_id, token)
            wait_until(lambda: len(_answers(file)) == len(asked))
            time.sleep(INTERVAL_SECONDS)
        answers = _answers(file)
    delays = [1_000 * (answer.began - at) for answer, at in zip(answers, asked, strict=True)]
    p95 = at_share(sorted(delays[WARMING:]), 0.95)
    return below("request to the first byte of the provider, empty queue: p95", "ms", [p95], MAX_FIRST_MILLISECONDS)


def _ask(port: int, document_id: UUID, token: str) -> None:
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": str(uuid7()),
    }
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("POST", f"{DOCUMENTS}/{document_id}/generate", BODY, headers)
    assert connection.getresponse().status == 202
    connection.close()


def _many(bench: Bench) -> Iterator[Row]:
    """As many answers as the worker has places; each is a text of ten seconds."""
    with bench.database() as database, open_folder() as folder:
        with ours.opened(database) as own:
            own(request_all, PLACES)
        pieces = max(1, round(bench.seconds(SECONDS) * PIECES_A_SECOND))
        with _worker(database, folder, pieces) as (pid, file):
            with psycopg.connect(database.admin_url, autocommit=True) as connection:
                wait_until(lambda: (connection.execute(RUNNING, [GenerateText.queue]).fetchone() or (0,))[0] > 0)
            began, before = time.perf_counter(), processes.processor_seconds(pid)
            wait_until(lambda: len(_answers(file)) == PLACES, processes.PATIENCE)
            used = (processes.processor_seconds(pid) - before) / (time.perf_counter() - began)
        answers = _answers(file)
    most = float(max(answer.beside for answer in answers))
    name = f"answers at once in one worker, {PIECES_A_SECOND} pieces/s each"
    yield against(f"{name}; beside it the goal", "answers", [most], [float(STREAMS)], 1)
    yield told(f"{name}: slowest piece", "ms late", 1_000 * max(answer.latest for answer in answers))
    yield told(f"{name}: worker", "% of a core", 100 * used)


def _answers(file: Path) -> list[Answer]:
    return [msgspec.json.decode(line, type=Answer) for line in file.read_bytes().splitlines()]


@contextmanager
def _worker(database: Database, folder: Path, pieces: int) -> Iterator[tuple[int, Path]]:
    """A worker with such a provider; yields its process id, and the file of its answers."""
    file = folder / "answers"
    file.touch()
    settings = {
        "PALIMPSEST_DATA_DIR": str(folder),
        "PALIMPSEST_JOBS_CONCURRENCY": f"generation={PLACES}",
        FILE: str(file),
        PIECES: str(pieces),
    }
    with processes.running(__name__, environment={**ours.environment(database), **settings}) as process:
        yield process.pid, file


class SteadyProvider(InstantProvider):
    """A provider whose answers come piece by piece. Those that are open are counted."""

    def __init__(self, file: Path, pieces: int) -> None:
        self._file = file
        self._pieces = pieces
        self._open = 0

    async def answer(self, prompt: Prompt) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
        """Write, and note it."""
        self._open += 1
        noted, now = Answer(time.time(), self._open, 0.0), asyncio.get_running_loop().time
        begin = now()
        for number in range(self._pieces):
            due = begin + number / PIECES_A_SECOND
            await asyncio.sleep(max(0.0, due - now()))
            noted.latest = max(noted.latest, now() - due)
            noted.beside = max(noted.beside, self._open)
            yield TextPiece(PIECE)
        self._open -= 1
        with self._file.open("ab") as file:
            file.write(msgspec.json.encode(noted) + b"\n")
        yield AnswerEnd("complete", Usage(PROMPT_TOKENS, OUTPUT_TOKENS))


if __name__ == "__main__":
    work_with(SteadyProvider(Path(os.environ[FILE]), int(os.environ[PIECES])))
