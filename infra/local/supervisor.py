"""The process tree of `palimpsest up`: started in order, watched, stopped in reverse order.

Each part is a separate process. A part that crashes is started again. The kernel ends all parts when this process is
killed.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import structlog

from infra.local.servers.process import ServerError, end, spawn

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 30.0
"""The pause before a crashed part is started again; each further crash doubles it."""

STABLE_AFTER_SECONDS = 30.0
"""A crash after this time counts as the first one again."""

log = structlog.get_logger(__name__)


class SupervisedProcess(Protocol):
    """A part of the tree: an embedded server or a role."""

    @property
    def log(self) -> Path: ...
    def start(self) -> None: ...
    def alive(self) -> bool: ...
    def stop(self) -> None: ...


class RoleProcess:
    """The process `palimpsest NAME`, with its log in a file of the folder `logs`, which exists."""

    def __init__(self, name: str, environment: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        command = [sys.executable, "-P", "-m", "infra.cli.main", self.name]
        self._process = spawn(command, log=self.log, environment=self._environment)

    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop the process; it may finish its current work."""
        if self._process:
            end(self._process, (signal.SIGTERM, 15.0))
            self._process = None


class WatchedProcess:
    """A part, how often it crashed, and when to start it again."""

    def __init__(self, name: str, part: SupervisedProcess) -> None:
        self.name = name
        self.part = part
        self.crashes = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._started_at = time.monotonic()
        self._restart_at: float | None = None

    def restart_if_crashed(self) -> None:
        """Start the part again if it has crashed and its pause is over."""
        now = time.monotonic()
        if self._restart_at is None:
            if not self.part.alive():
                self._plan_restart(now)
        elif now >= self._restart_at:
            self._restart()

    def _plan_restart(self, now: float) -> None:
        self.crashes += 1
        if now - self._started_at > STABLE_AFTER_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS
        log.warning("part crashed", part=self.name, restart_in_seconds=self._pause, log=str(self.part.log))
        self._restart_at = now + self._pause
        self._pause = min(self._pause * 2, MAX_PAUSE_SECONDS)

    def _restart(self) -> None:
        self._started_at, self._restart_at = time.monotonic(), None
        try:
            self.part.start()
        except ServerError as error:
            log.error("part cannot start", part=self.name, reason=str(error))


class ProcessTree:
    """The running parts, in the order of their start."""

    def __init__(self) -> None:
        self._watched: list[WatchedProcess] = []

    def start(self, name: str, part: SupervisedProcess) -> None:
        """Start a part and add it to the tree."""
        self._watched.append(WatchedProcess(name, part))
        part.start()

    def restart_crashed(self) -> None:
        """Start crashed parts again, each after its pause."""
        for watched in self._watched:
            watched.restart_if_crashed()

    def crashes(self, name: str) -> int:
        """How often a part has crashed."""
        return sum(watched.crashes for watched in self._watched if watched.name == name)

    def watch(self, also: Callable[[], None] = lambda: None) -> None:
        """Keep all parts running until a signal interrupts. `also`: is called ten times a second."""
        while True:
            self.restart_crashed()
            also()
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop all parts in reverse order."""
        for watched in reversed(self._watched):
            watched.part.stop()


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP (a closed terminal) act as Ctrl-C. After the first signal, further ones are ignored."""

    def interrupt(*_: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, interrupt)
    yield


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Lock the data folder for this process.

    Raises:
        ServerError: another process holds the lock.
    """
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ServerError(
                f"Palimpsest is already running on {folder} (process {file.read().strip() or 'unknown'}). "
                "Stop it first, or choose another folder: make run PORT=8001 DATA_DIR=.palimpsest2"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
