"""The official parser of AsyncAPI, which is a program for Node: installed once in this checkout, from its lock."""

import fcntl
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "tests" / "contract" / "asyncapi"
HOME = PROJECT / ".venv" / "asyncapi"
NODE = 20

Parser = Callable[[dict[str, Any]], dict[str, Any]]
"""From a document to whether it is `valid`, the faults `found` and the names of its `messages`."""


def open_parser() -> Parser:
    """The parser, ready to use."""
    node = require_node(shutil.which("node"), shutil.which("npm"))
    install()

    def parse(document: dict[str, Any]) -> dict[str, Any]:
        ran = subprocess.run(
            [node, "check.js"], cwd=HOME, input=json.dumps(document), capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        said: dict[str, Any] = json.loads(ran.stdout)
        return said

    return parse


def require_node(node: str | None, npm: str | None) -> str:
    """The path of Node, which is there and new enough. Anything else fails the test: a skipped check checks nothing."""
    if node is None or npm is None:
        pytest.fail(
            f"This test needs Node {NODE} or later and npm: install both (https://nodejs.org), then run it again."
        )
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"v(\d+)\.", version)
    if found is None or int(found[1]) < NODE:
        pytest.fail(f"This test needs Node {NODE} or later, and {node} is {version.strip()}: install a later one.")
    return node


def install() -> None:
    """Install what the lock names, unless it is there; other processes wait meanwhile."""
    HOME.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("package.json", "package-lock.json", "check.js"):
            shutil.copy(SOURCE / name, HOME)
        done = HOME / "installed"
        if done.exists() and done.read_text() == wanted:
            return
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        ran = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
        if ran.returncode:
            pytest.fail(f"npm could not install AsyncAPI's parser, which it takes from its registry:\n{ran.stderr}")
        done.write_text(wanted)
