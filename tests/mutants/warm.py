"""A process that has imported the libraries of a tree, and forks for each run of its tests, which saves seconds.

Started in the tree. It answers a line of JSON, `[[ARGUMENT OF PYTEST, ...], BYTES OF MEMORY OR NULL]`, by two lines:
the id of the process that runs the tests, and, once it has ended, its exit code (negative: the signal that ended it).
"""

import contextlib
import importlib.metadata
import json
import os
import re
import resource
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDERS = ("domain", "application", "projections", "adapters", "infra", "tests/support", "tests/unit")
PLUGINS_OFF = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
OUTPUT = "output.txt"
"""In the tree: what the last run wrote."""
IMPORT = re.compile(r"^(?:from|import) ([\w.]+)", re.MULTILINE)


def libraries(tree: Path) -> Iterator[str]:
    """The modules outside the tree that its product and its tests import."""
    files = [file for folder in FOLDERS for file in (tree / folder).rglob("*.py")]
    for name in sorted({name for file in files for name in IMPORT.findall(file.read_text())}):
        if not (tree / name.partition(".")[0]).exists():
            yield name


def load(tree: Path) -> None:
    """Import the libraries of the tree, and the plugins of pytest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in libraries(tree):
            with contextlib.suppress(ImportError):  # optional ones
                importlib.import_module(name)
        for plugin in () if PLUGINS_OFF in os.environ else importlib.metadata.entry_points(group="pytest11"):
            plugin.load()


def test(arguments: list[str], memory: int | None) -> int:
    """Run pytest in this process, in a session of its own, with its output in a file. Returns the exit code."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    return pytest.main(arguments)


def answer(number: int) -> None:
    """Write a line."""
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until the input ends."""
    load(Path.cwd())
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            sys.exit(test(*json.loads(line)))
        answer(process)
        answer(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


if __name__ == "__main__":
    main()
