"""A session: tries mutants in copies of the tree, and keeps each result at once, so that a later one goes on."""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

from tests.architecture.source import PACKAGES
from tests.mutants.calls import FILE, Calls, callers, function_of, merged
from tests.mutants.mutants import Mutant, concerned, users
from tests.mutants.warm import OUTPUT

KILLED, SURVIVED, TIMEOUT = "killed", "survived", "timeout"
REVIEWED = (
    "tests/architecture/test_declarations.py",
    "tests/architecture/test_visibility.py",
    "tests/contract/test_asyncapi.py",
    "tests/contract/test_openapi.py",
    "tests/contract/test_stored_events.py",
    "tests/contract/test_streams.py",
)
"""Tests without servers of what the product declares: files that import the product once and look at all of it."""
QUICK = ("tests/unit", *REVIEWED)
"""Tests without servers. A survivor of those that import its module has to survive these, too."""
STORE = ("tests/contract/test_event_store.py", "tests/contract/test_feed.py", "tests/integration/store")
PROJECTOR = ("tests/contract/test_projecting.py", "tests/integration/projector")
KEYS = ("tests/integration/test_wrong_keys.py", "tests/integration/test_key_rotation.py")
HTTP = ("tests/integration/test_listening_sockets.py", "tests/integration/test_rude_clients.py")
E2E = ("tests/e2e",)
WITH_SERVERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "application": (E2E,),
    "projections": (PROJECTOR,),
    "adapters/http/api": (E2E,),
    "infra/sealing": (KEYS, STORE),
    "infra/store": (STORE,),
    "infra/projector": (PROJECTOR,),
    "infra/http_server": (HTTP,),
}
"""Groups of tests with servers by room, for those that survive the quick tests."""
PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "--assert=plain")
PROFILE = ("--hypothesis-profile=mutants",)
RECORDED = ("-p", "tests.mutants.calls")
ALL = ("--maxfail=0",)
MEMORY_BYTES = 6 << 30
"""A mutant that takes memory for ever ends at so many addresses. Servers need more."""
NOT_COPIED = (".git", ".venv", ".palimpsest", ".mutants", ".hypothesis", ".*_cache")
NO_TESTS = 5
"""Exit code of pytest."""
QUICK_TIMEOUT_SECONDS, SERVERS_TIMEOUT_SECONDS, ENDING_SECONDS = 300.0, 900.0, 20.0

Keep = Callable[[Mutant, str, str], None]
"""Keeps an outcome, and the test that killed the mutant."""


class Unfit(Exception):
    """The tests fail without any mutation."""


class Tree:
    """A copy of the working tree, and the process that runs its tests. `sizes`: how many functions each test calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls: Calls = {}
        self.sizes: Counter[str] = Counter()
        self._process = subprocess.Popen(
            (sys.executable, "-m", "tests.mutants.warm"),
            cwd=path,
            env={**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._requests, self._answers = self._process.stdin, self._process.stdout

    @classmethod
    def copy(cls, project: Path, target: Path) -> "Tree":
        """A copy without repository, environment, data and caches, but with bytecode."""
        return cls(Path(shutil.copytree(project, target, ignore=shutil.ignore_patterns(*NOT_COPIED))))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def record(self, tests: Sequence[str], folder: Path) -> Calls:
        """Which functions these tests call, from `folder` if that is known of an earlier session.

        Raises:
            Unfit: quick tests fail without any mutation. Tests with servers that fail are left out.
        """
        state = state_of(*(self.path / name for name in (*PACKAGES, "tests/support", *tests)))
        file = folder / f"calls-{state}.json"
        if not file.exists():
            quick = tests == QUICK
            passed = self.passes((*RECORDED, *tests, *(() if quick else ALL)), None, MEMORY_BYTES if quick else None)
            if quick and not passed:
                raise Unfit(self.failed())
            folder.mkdir(exist_ok=True)
            shutil.copy(self.path / FILE, file)
        calls: Calls = json.loads(file.read_text())
        return calls

    def passes(self, tests: Sequence[str], timeout: float | None, memory: int | None = MEMORY_BYTES) -> bool:
        """Whether the tests pass. `memory`: how many bytes of addresses they may take.

        Raises:
            TimeoutError: they took longer than `timeout` seconds.
        """
        self._requests.write(json.dumps([[*PYTEST, *PROFILE, *tests], memory]).encode() + b"\n")
        process = int(self._answers.readline())
        in_time = self._ends(timeout)
        if not in_time:
            os.kill(process, signal.SIGINT)  # servers are stopped
            self._ends(ENDING_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        code = int(self._answers.readline())
        if not in_time:
            raise TimeoutError
        return code in (0, NO_TESTS)

    def failed(self) -> str:
        """The test that failed in the last run, as pytest names it; empty if none did."""
        found = re.search(r"^(?:FAILED|ERROR) (\S+)", (self.path / OUTPUT).read_text(errors="replace"), re.MULTILINE)
        return found[1] if found else ""

    def _ends(self, seconds: float | None) -> bool:
        """Whether the tests that run end within so many seconds."""
        return bool(select.select([self._answers], [], [], seconds)[0])

    def outcome(self, mutant: Mutant, servers: bool) -> tuple[str, str]:
        """Try one mutant, and name the test that killed it. Afterwards the tree is as before."""
        found = callers(mutant, self.calls, users(mutant.path, self.path))
        near, quick = self._quick(mutant, found)
        room = sum(WITH_SERVERS.get(mutant.room, ()), ()) if servers else ()
        far = sorted((test for test in found or () if test.startswith(room)), key=self.sizes.__getitem__) or room
        file = self.path / mutant.path
        before = file.stat()
        file.write_bytes(mutant.content)
        try:
            killed = (
                (near and not self.passes(near, QUICK_TIMEOUT_SECONDS))
                or not self.passes(quick, QUICK_TIMEOUT_SECONDS)
                or (far and not self.passes(far, SERVERS_TIMEOUT_SECONDS, memory=None))
            )
        except TimeoutError:
            return TIMEOUT, ""
        finally:
            file.write_text(mutant.source)
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # so that its bytecode stays valid
        return (KILLED, self.failed()) if killed else (SURVIVED, "")

    def _quick(self, mutant: Mutant, found: set[str] | None) -> tuple[Sequence[str], Sequence[str]]:
        """The quick tests to begin with, and all that the mutant may break."""
        near = concerned(mutant.path, self.path)
        if found is None:
            return near, QUICK
        quick = sorted(test for test in found if test.startswith(QUICK))
        if function_of(mutant):
            near = [test for test in quick if test.partition("::")[0] in near]
        return near, (*quick, *REVIEWED)


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

    def keep(self, mutant: Mutant, outcome: str, test: str = "") -> None:
        """Store an outcome, and the test that killed the mutant."""
        self._known[mutant.key] = outcome
        self._file.parent.mkdir(exist_ok=True)
        with self._file.open("a") as file:
            entry = {"key": mutant.key, "outcome": outcome, "tests": self._tests, "killed_by": test}
            file.write(json.dumps(entry) + "\n")


def state_of(*paths: Path) -> str:
    """A digest of these Python files, and of those in these folders."""
    files = [file for path in paths for file in ([path] if path.suffix else sorted(path.rglob("*.py")))]
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:20]


def run(
    trees: Sequence[Tree], drawn: Sequence[Mutant], keep: Keep, seconds: float, servers: bool, folder: Path
) -> None:
    """Try the mutants, one at a time in each tree. After `seconds` no more are begun. `folder`: of what was recorded.

    Raises:
        Unfit: the tests fail without any mutation.
    """
    started = monotonic()
    first = trees[0]
    groups = {group for mutant in drawn for group in WITH_SERVERS.get(mutant.room, ())} if servers else ()
    calls = merged(*(first.record(tests, folder) for tests in (QUICK, *sorted(groups))))
    sizes = Counter(test for lines in calls.values() for tests in lines.values() for test in tests)
    free: SimpleQueue[Tree] = SimpleQueue()
    for tree in trees:
        tree.calls, tree.sizes = calls, sizes
        free.put(tree)

    def attempt(mutant: Mutant) -> None:
        if monotonic() < started + seconds:
            tree = free.get()
            keep(mutant, *tree.outcome(mutant, servers))
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        list(pool.map(attempt, drawn))
