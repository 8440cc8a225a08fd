"""Node programs for tests. Each is installed once per checkout, from its lock file."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.made_once import made_once

PROJECT = Path(__file__).parents[2]
NODE = 20


def installed(name: str) -> tuple[str, Path]:
    """Install the packages of a folder of `tests/contract`, if needed. Returns the path of Node and where they are."""
    node = require_node(shutil.which("node"), shutil.which("npm"))
    home = PROJECT / ".venv" / name
    install(PROJECT / "tests" / "contract" / name, home)
    return node, home


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


def install(source: Path, home: Path) -> None:
    """Install the packages of the lock file, unless they are installed, and copy the programs."""

    def install_packages() -> None:
        for each in source.glob("package*.json"):
            shutil.copy(each, home)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        ran = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
        if ran.returncode:
            pytest.fail(f"npm could not install {source.name} from its registry:\n{ran.stderr}")

    made_once(home, hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest(), install_packages)
    for each in source.glob("*.js"):
        shutil.copy(each, home)
