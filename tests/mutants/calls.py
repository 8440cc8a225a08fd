"""Records which tests call which function of the product: a plugin of pytest, and what it wrote.

A survivor has to survive only the tests that call its function. Calls in other processes are not seen.
"""

import ast
import json
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.mutants.mutants import Mutant

FILE = "calls.json"
"""In the folder where the tests ran."""
OUTSIDE = ""
"""The test that calls made while tests are collected are recorded for: they may matter to every test."""

Calls = dict[str, dict[str, list[str]]]
"""Ids of tests by file and by first line of the function."""


class Recorder:
    """Hooks that record the calls of each test and its fixtures."""

    def __init__(self) -> None:
        self._tests: dict[tuple[str, int], set[str]] = defaultdict(set)
        self._failed: set[str] = set()
        self._current = OUTSIDE

    def start(self) -> None:
        """Begin to record, in threads that begin later, too."""
        threading.setprofile(self._record)
        sys.setprofile(self._record)

    def _record(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_name != "<module>":
            self._tests[code.co_filename, code.co_firstlineno].add(self._current)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Record for this test."""
        self._current = item.nodeid
        self.start()  # the test before may have ended it
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Leave out a test that fails without a mutation."""
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what was recorded of the files in this folder, but the tests."""
        sys.setprofile(None)
        threading.setprofile(None)
        here = session.config.rootpath
        calls: dict[str, dict[int, list[str]]] = defaultdict(dict)
        for (file, line), tests in self._tests.items():
            if Path(file).is_relative_to(here) and not Path(file).is_relative_to(here / "tests"):
                calls[str(Path(file).relative_to(here))][line] = sorted(tests - self._failed)
        (here / FILE).write_text(json.dumps(calls))


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin before any file of the tree is imported."""
    recorder = Recorder()
    early_config.pluginmanager.register(recorder)
    recorder.start()


def merged(*recorded: Calls) -> Calls:
    """What was recorded in several runs, as if in one."""
    result: Calls = defaultdict(lambda: defaultdict(list))
    for file, lines in (each for calls in recorded for each in calls.items()):
        for line, tests in lines.items():
            result[file][line] += tests
    return result


def callers(mutant: Mutant, calls: Calls, users: Sequence[str]) -> set[str] | None:
    """The tests that call the function of the mutant, or else a function of the files that use its module.

    None: the function is called while tests are collected, or no other file imports the module, because it is found by
    searching its folder; so any test may depend on it.
    """
    lines = function_of(mutant)
    if lines is None:
        if len(users) == 1:
            return None
        return {test for file in users for tests in calls.get(file, {}).values() for test in tests} - {OUTSIDE}
    found = {test for line, tests in calls.get(mutant.path, {}).items() if int(line) in lines for test in tests}
    return None if OUTSIDE in found else found


def function_of(mutant: Mutant) -> range | None:
    """The lines of the innermost function with the place in its body, with its decorators; None: there is none."""
    line = mutant.line
    found = None
    for node in ast.walk(ast.parse(mutant.source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and line in range(
            node.body[0].lineno, (node.end_lineno or 0) + 1
        ):
            first = min(each.lineno for each in (node, *node.decorator_list))
            found = range(first, (node.end_lineno or first) + 1)
    return found
