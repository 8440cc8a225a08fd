"""A session: tries mutants in copies of the tree, and keeps each result at once, so that a later one goes on."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

from tests.mutants.mutants import Mutant, concerned

KILLED, SURVIVED, TIMEOUT = "killed", "survived", "timeout"
QUICK = (
    "tests/unit",
    "tests/architecture/test_declarations.py",
    "tests/architecture/test_visibility.py",
    "tests/contract/test_openapi.py",
    "tests/contract/test_stored_events.py",
    "tests/contract/test_streams.py",
)
"""Tests without servers. A survivor of those that import its module has to survive these, too."""
STORE = ("tests/contract/test_event_store.py", "tests/contract/test_feed.py", "tests/integration/store")
PROJECTOR = ("tests/contract/test_projecting.py", "tests/integration/projector")
WITH_SERVERS: dict[str, tuple[str, ...]] = {
    "application": ("tests/e2e",),
    "projections": PROJECTOR,
    "adapters/http/api": ("tests/e2e",),
    "infra/sealing": ("tests/integration/test_wrong_keys.py", "tests/integration/test_key_rotation.py", *STORE),
    "infra/store": STORE,
    "infra/projector": PROJECTOR,
}
"""Tests with servers by room, for those that survive the quick tests."""
PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")
PROFILE = ("--hypothesis-profile=mutants",)
BOUNDED = ("sh", "-c", 'ulimit -v 6291456; exec "$@"', "sh")
"""A mutant that takes memory for ever ends at 6 GiB of addresses. Servers need more."""
NO_TESTS = 5
"""Exit code of pytest."""
MIN_TIMEOUT_SECONDS, SERVERS_TIMEOUT_SECONDS, ENDING_SECONDS = 60.0, 900.0, 20.0
TIMEOUT_FACTOR = 5
"""A mutant may take so many times as long as the unchanged tree took: the machine may become busier."""

Keep = Callable[[Mutant, str], None]
"""Keeps an outcome."""


class Unfit(Exception):
    """The tests fail without any mutation."""


@dataclass(frozen=True)
class Tree:
    """A copy of the working tree."""

    path: Path

    @classmethod
    def copy(cls, project: Path, target: Path) -> "Tree":
        """A copy without hidden files, caches and data."""
        return cls(Path(shutil.copytree(project, target, ignore=shutil.ignore_patterns(".*", "__pycache__"))))

    def passes(self, tests: Sequence[str], timeout: float | None, bounded: bool = True, caching: bool = False) -> bool:
        """Whether the tests pass. `bounded`: with little memory; `caching`: bytecode is written.

        Raises:
            TimeoutError: they took longer than `timeout` seconds.
        """
        process = subprocess.Popen(
            (*(BOUNDED if bounded else ()), *PYTEST, *PROFILE, *tests),
            cwd=self.path,
            env={**os.environ, "PYTHONPATH": str(self.path), "PYTHONDONTWRITEBYTECODE": "" if caching else "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(timeout) in (0, NO_TESTS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # servers are stopped
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(ENDING_SECONDS)
            raise TimeoutError from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def outcome(self, mutant: Mutant, timeout: float, servers: bool) -> str:
        """Try one mutant. Afterwards the tree is as before."""
        near, far = concerned(mutant.path, self.path), WITH_SERVERS.get(mutant.room) if servers else None
        file = self.path / mutant.path
        before = file.stat()
        file.write_bytes(mutant.content)
        try:
            killed = (
                (near and not self.passes(near, timeout))
                or not self.passes(QUICK, timeout)
                or (far and not self.passes(far, SERVERS_TIMEOUT_SECONDS, bounded=False))
            )
        except TimeoutError:
            return TIMEOUT
        finally:
            file.write_text(mutant.source)
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # so that its bytecode stays valid
        return KILLED if killed else SURVIVED


class Results:
    """Results of this and earlier sessions, one line each.

    `tests`: which tests there are and are used. A survivor of others is tried again.
    """

    def __init__(self, file: Path, tests: str) -> None:
        self._file, self._tests = file, tests
        self._known: dict[str, str] = {}
        for line in file.read_text().splitlines() if file.exists() else ():
            entry = json.loads(line)
            if entry["outcome"] != SURVIVED or entry["tests"] == tests:
                self._known[entry["key"]] = entry["outcome"]

    def of(self, mutant: Mutant) -> str | None:
        """The outcome; None: not tried yet."""
        return self._known.get(mutant.key)

    def keep(self, mutant: Mutant, outcome: str) -> None:
        """Store an outcome."""
        self._known[mutant.key] = outcome
        self._file.parent.mkdir(exist_ok=True)
        with self._file.open("a") as file:
            file.write(json.dumps({"key": mutant.key, "outcome": outcome, "tests": self._tests}) + "\n")


def state_of(folder: Path) -> str:
    """A digest of the Python files of a folder."""
    contents = b"".join(file.read_bytes() for file in sorted(folder.rglob("*.py")))
    return sha256(contents).hexdigest()[:20]


def run(trees: Sequence[Tree], drawn: Sequence[Mutant], keep: Keep, seconds: float, servers: bool) -> None:
    """Try the mutants, one at a time in each tree. After `seconds` no more are begun.

    Raises:
        Unfit: the tests fail without any mutation.
    """
    started = monotonic()
    free: SimpleQueue[Tree] = SimpleQueue()
    for tree in trees:
        if not tree.passes(QUICK, timeout=None, caching=True):
            raise Unfit
        free.put(tree)
    timeout = max(MIN_TIMEOUT_SECONDS, TIMEOUT_FACTOR * (monotonic() - started) / len(trees))

    def attempt(mutant: Mutant) -> None:
        if monotonic() < started + seconds:
            tree = free.get()
            keep(mutant, tree.outcome(mutant, timeout, servers))
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        list(pool.map(attempt, drawn))
