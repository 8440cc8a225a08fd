"""The process tree of `palimpsest up`: started in order, watched, stopped in reverse order.

Every part is a process of its own. The kernel ends them when this process is killed, and each can be killed by itself:
it is started again.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import structlog

from infra.local.servers.process import ServerError, end, spawn

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds before a dead part is started again: doubled each time it dies young."""

GROWN_UP = 30.0
"""Seconds after which a part that dies is treated as if for the first time."""

log = structlog.get_logger(__name__)


class Supervised(Protocol):
    """Something that runs: an embedded server or a role."""

    def start(self) -> None: ...
    def alive(self) -> bool: ...
    def stop(self) -> None: ...


class RoleProcess:
    """A process of ours: `palimpsest NAME`."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; it writes its log where this process writes."""
        self._process = spawn([sys.executable, "-P", "-m", "infra.cli.main", self.name], environment=self._environment)

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Let it finish what it is doing."""
        if self._process:
            end(self._process, (signal.SIGTERM, 15.0))
            self._process = None


class WatchedProcess:
    """A part, and when to start it again."""

    def __init__(self, name: str, part: Supervised) -> None:
        self.name = name
        self.part = part
        self.deaths = 0
        self._pause = FIRST_PAUSE
        self._started = time.monotonic()
        self._again: float | None = None

    def look(self) -> None:
        """Start the part if it is dead and its pause is over."""
        now = time.monotonic()
        if self._again is None:
            if not self.part.alive():
                self._plan(now)
        elif now >= self._again:
            self._start()

    def _plan(self, now: float) -> None:
        self.deaths += 1
        if now - self._started > GROWN_UP:
            self._pause = FIRST_PAUSE
        log.warning("part died", part=self.name, starts_again_in_seconds=self._pause)
        self._again = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _start(self) -> None:
        self._started, self._again = time.monotonic(), None
        try:
            self.part.start()
        except ServerError as error:
            log.error("part does not start", part=self.name, reason=str(error))


class ProcessTree:
    """The parts that run, in the order in which they were started."""

    def __init__(self) -> None:
        self._watched: list[WatchedProcess] = []

    def start(self, name: str, part: Supervised) -> None:
        """Start a part and watch it from now on."""
        self._watched.append(WatchedProcess(name, part))
        part.start()

    def look(self) -> None:
        """Start again what has died."""
        for watched in self._watched:
            watched.look()

    def deaths(self, name: str) -> int:
        """How often a part has died."""
        return sum(watched.deaths for watched in self._watched if watched.name == name)

    def watch(self) -> None:
        """Keep everything running until a signal interrupts."""
        while True:
            self.look()
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop all parts, the last started first."""
        for watched in reversed(self._watched):
            watched.part.stop()


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """SIGTERM and a closed terminal interrupt as Ctrl-C does; while things are being stopped, nothing does."""

    def interrupt(*_: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, interrupt)
    yield


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep the data folder for this process. Raises `ServerError` when another has it."""
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ServerError(
                f"Palimpsest already runs on {folder} (process {file.read().strip() or 'unknown'}). "
                "Stop it first, or choose another folder: make run PORT=8001 DATA_DIR=.palimpsest2"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
