"""Go programs for tests. Each is built once per checkout, from modules whose hashes are in its `go.sum`.

Go itself is a wheel among the development packages.
"""

import hashlib
import os
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from tests.support.made_once import made_once

PROJECT = Path(__file__).parents[2]
SOURCES = ("*.go", "go.mod", "go.sum")
QUICK = "-gcflags=all=-N -l"
"""Compile without optimization, in two thirds of the time: the programs run for a moment."""


def built(name: str, package: str = ".") -> Path:
    """Build a package of a folder of `tests/contract`, and return the program."""
    source, home = PROJECT / "tests" / "contract" / name, PROJECT / ".venv" / name
    program = home / name

    def build() -> None:
        command = [str(files("go") / "bin" / "go"), "build", "-mod=readonly", QUICK, "-o", str(program), package]
        environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "CGO_ENABLED": "0"}
        ran = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            pytest.fail(f"Go could not build {name}:\n{ran.stderr}")

    made_once(home, _digest(source), build)
    return program


def _digest(source: Path) -> str:
    found = sorted(file for pattern in SOURCES for file in source.glob(pattern))
    return hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in found)).hexdigest()
