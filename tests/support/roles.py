"""The roles as processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import httpx2

from infra.local.servers.process import free_port
from tests.support.forks import ForkedProgram
from tests.support.limits import PLENTY
from tests.support.servers import PROJECT, Database
from tests.support.stores import KEYS
from tests.support.waiting import wait_until


def environment(database: Database, redis_url: str | None, port: int, folder: Path) -> dict[str, str]:
    """The settings of a role, and nothing else of ours."""
    given = {
        "DATABASE_URL": database.app_url,
        "REDIS_URL": redis_url or "",
        "PALIMPSEST_PORT": str(port),
        "PALIMPSEST_METRICS_PORT": "0",
        "PALIMPSEST_DATA_DIR": str(folder),
        "PALIMPSEST_LOG_LEVEL": "DEBUG",
        "PALIMPSEST_LOG_FORMAT": "json",
        **KEYS,
        **PLENTY,
    }
    return {**os.environ, **given}


class RoleProcess:
    """One role; its log goes to a file. It can be killed and started again.

    `program`: a module that replaces what others import, and its arguments. Only with it the role starts by the
    command line.
    """

    def __init__(self, name: str, environment: Mapping[str, str], folder: Path, program: Sequence[str] = ()) -> None:
        self.name = name
        self._program = program
        self.log = folder / f"{name}.log"
        self._environment = environment
        self._process: ForkedProgram | subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        self._process = self._by_command_line() if self._program else self._forked()

    def kill(self) -> None:
        """End it at once, with no chance to tidy up."""
        self._end("kill")

    def stop(self) -> int | None:
        """Ask it to end. Returns its exit code; None: it did not run."""
        return self._end("terminate")

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process
        return self._process.pid

    def _forked(self) -> ForkedProgram:
        return ForkedProgram("infra.cli.main", self.name, environment=self._environment, log=self.log)

    def _by_command_line(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *self._program, self.name],
                env=self._environment,
                cwd=PROJECT,
                stdout=log,
                stderr=log,
            )

    def _end(self, how: Literal["kill", "terminate"]) -> int | None:
        if self._process is None:
            return None
        getattr(self._process, how)()
        code = self._process.wait(30)
        self._process = None
        return code


@contextmanager
def frozen(*pids: int | None) -> Iterator[None]:
    """Stop running processes meanwhile (SIGSTOP); their connections stay open."""
    running = [pid for pid in pids if pid is not None]
    assert len(running) == len(pids), "only what runs can be frozen"
    for pid in running:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def running(
    database: Database, redis_url: str | None, folder: Path, *names: str
) -> Iterator[tuple[str, list[RoleProcess]]]:
    """The roles `names`, with the API's address; with `api` among them, once it is ready."""
    port = free_port()
    roles = [RoleProcess(name, environment(database, redis_url, port, folder), folder) for name in names]
    url = f"http://127.0.0.1:{port}"
    try:
        for role in roles:
            role.start()
        if "api" in names:
            until_ready(url)
        yield url, roles
    finally:
        for role in roles:
            role.stop()


def until_ready(url: str) -> None:
    """Wait until the API serves.

    Raises:
        TimeoutError: it does not.
    """
    wait_until(lambda: is_ready(url))


def is_ready(url: str) -> bool:
    """Whether the API serves."""
    try:
        return httpx2.get(f"{url}/health/ready", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False
