"""The official AsyncAPI parser, a Node program. It is installed once per checkout, from its lock file."""

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
"""Takes a document. Returns whether it is `valid`, the faults `found` and the names of its `messages`."""


def open_parser() -> Parser:
    """Install the parser if needed, and return it."""
    node = require_node(shutil.which("node"), shutil.which("npm"))
    install()

    def parse(document: dict[str, Any]) -> dict[str, Any]:
        ran = subprocess.run(
            [node, "check.js"], cwd=HOME, input=json.dumps(document), capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        result: dict[str, Any] = json.loads(ran.stdout)
        return result

    return parse


def require_node(node: str | None, npm: str | None) -> str:
    """The path of Node. A missing or old Node fails the test, because a skipped check checks nothing."""
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
    """Install the packages of the lock file, unless they are installed. Other processes wait meanwhile."""
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
            pytest.fail(f"npm could not install the AsyncAPI parser from its registry:\n{ran.stderr}")
        done.write_text(wanted)
