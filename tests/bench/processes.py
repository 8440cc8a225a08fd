"""Processes beside the bench: our roles and the peer's server."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psycopg

from infra.bootstrap.projections import prepare_tables
from infra.cli.up import is_ready
from infra.local.servers.process import end, free_port, spawn
from projections.kernel import read_models
from tests.bench import crud, ours
from tests.support.limits import PLENTY
from tests.support.servers import PROJECT, Database

PATIENCE = 120.0
CAUGHT_UP = "SELECT min(position) >= (SELECT max(notification_id) FROM stored_events) FROM projections"


@contextmanager
def role(
    name: str, database: Database, folder: Path, redis_url: str, module: str = "", **changes: str
) -> Iterator[int]:
    """`palimpsest NAME`, with the settings it has unless told otherwise; answers its process id.

    `module`: runs instead of it.
    """
    own = {**PLENTY, "REDIS_URL": redis_url, "PALIMPSEST_DATA_DIR": str(folder), "PALIMPSEST_LOG_FORMAT": "json"}
    settings = {**own, **changes}
    command = [sys.executable, "-m", *([module] if module else ["infra.cli.main", name])]
    with _process(command, {**ours.environment(database), **settings}, folder / f"{module or name}.log") as process:
        yield process.pid


@dataclass(frozen=True)
class Service:
    """A process that serves HTTP."""

    port: int
    pid: int


@contextmanager
def api(database: Database, folder: Path, redis_url: str, module: str = "", **changes: str) -> Iterator[Service]:
    """Our API, ready. `module`: runs instead of it."""
    port = free_port()
    asyncio.run(prepare_tables(database.part_url("projector"), read_models()))
    with role("api", database, folder, redis_url, module, PALIMPSEST_PORT=str(port), **changes) as pid:
        wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"), "the API is ready")
        yield Service(port, pid)


@contextmanager
def crud_api(database: Database, folder: Path) -> Iterator[int]:
    """The peer's API on the same database, with its table made; answers its port."""
    port = free_port()
    with psycopg.connect(database.admin_url) as connection:
        connection.execute(crud.CREATE)
    # The driver takes no `options` for the server.
    url = database.admin_url.partition("?")[0].replace("postgresql://", "postgresql+asyncpg://", 1)
    command = [sys.executable, "-m", "tests.bench.crud"]
    with _process(command, {crud.URL: url, crud.PORT: str(port)}, folder / "crud.log"):
        wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"), "the peer is ready")
        yield port


def wait_for_projector(database: Database, patience: float = PATIENCE) -> None:
    """Wait until every read model has come to the end of the log."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        wait_until(
            lambda: connection.execute(CAUGHT_UP).fetchone() == (True,), "the read models are up to date", patience
        )


def resident(pid: int) -> float:
    """The memory that a process has for itself or shares, in MiB (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def processor_seconds(pid: int) -> float:
    """The processor time that a process has used, in seconds, as Linux counts it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def wait_until(condition: Callable[[], bool], words: str, patience: float = PATIENCE) -> None:
    """Wait until it is so.

    Raises:
        TimeoutError: it takes too long.
    """
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:.0f} s until {words}")
        time.sleep(0.01)


@contextmanager
def running(
    module: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    stdin: int | None = None,
    stdout: IO[bytes] | int | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """`python -m MODULE ARGUMENTS...`, killed at the end. `environment`: more variables than those of this process."""
    command, variables = [sys.executable, "-m", module, *arguments], {**os.environ, **(environment or {})}
    with subprocess.Popen(command, cwd=PROJECT, env=variables, stdin=stdin, stdout=stdout) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _process(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = spawn(list(command), log=log, environment={**os.environ, **environment})
    try:
        yield process
    finally:
        end(process, (signal.SIGTERM, 15.0))
