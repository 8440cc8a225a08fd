"""Processes beside the bench: our roles and the peer's server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from infra.cli.up import is_ready
from infra.servers.process import end, free_port, spawn
from infra.settings import variable
from tests.bench import crud, ours
from tests.support.servers import Database

PATIENCE = 120.0
CAUGHT_UP = "SELECT min(position) >= (SELECT max(notification_id) FROM stored_events) FROM projections"


@contextmanager
def role(name: str, database: Database, folder: Path, redis_url: str, **changes: str) -> Iterator[int]:
    """`palimpsest NAME`, with the settings it has unless told otherwise; answers its process id."""
    given = {"redis_url": redis_url, "data_dir": str(folder), "log_format": "json", **changes}
    settings = {variable(key): value for key, value in given.items()}
    command = [sys.executable, "-m", "infra.cli.main", name]
    with _process(command, {**ours.environment(database), **settings}, folder / f"{name}.log") as process:
        yield process.pid


@contextmanager
def api(database: Database, folder: Path, redis_url: str) -> Iterator[int]:
    """Our API, ready; answers its port."""
    port = free_port()
    with role("api", database, folder, redis_url, port=str(port)):
        wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"), "the API is ready")
        yield port


@contextmanager
def crud_api(database: Database, folder: Path) -> Iterator[int]:
    """The peer's API on the same database, with its table made; answers its port."""
    port = free_port()
    with psycopg.connect(database.admin_url) as connection:
        connection.execute(crud.CREATE)
    url = database.admin_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    command = [sys.executable, "-m", "tests.bench.crud"]
    with _process(command, {crud.URL: url, crud.PORT: str(port)}, folder / "crud.log"):
        wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"), "the peer is ready")
        yield port


def wait_for_projector(database: Database) -> None:
    """Wait until every read model has come to the end of the log."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        wait_until(lambda: connection.execute(CAUGHT_UP).fetchone() == (True,), "the read models are up to date")


def wait_until(condition: Callable[[], bool], words: str) -> None:
    """Wait until it is so.

    Raises:
        TimeoutError: it takes too long.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE:.0f} s until {words}")
        time.sleep(0.05)


@contextmanager
def _process(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = spawn(list(command), log=log, environment={**os.environ, **environment})
    try:
        yield process
    finally:
        end(process, (signal.SIGTERM, 15.0))
