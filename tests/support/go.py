"""Go programs for tests. Each is built once per checkout, from modules whose hashes are in its `go.sum`."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SOURCES = ("*.go", "go.mod", "go.sum")


def built(name: str, package: str = ".") -> Path:
    """Build a package of a folder of `tests/contract`, and return the program. Without Go the test is skipped."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("This test needs Go 1.26 or later (https://go.dev): other people's programs judge our log with it.")
    source, home = PROJECT / "tests" / "contract" / name, PROJECT / ".venv" / name
    home.mkdir(parents=True, exist_ok=True)
    program, done = home / name, home / "built"
    wanted = _digest(source)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != wanted:
            command = [go, "build", "-mod=readonly", "-o", str(program), package]
            environment = {**os.environ, "GOTOOLCHAIN": "auto", "GOFLAGS": ""}
            ran = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
            if ran.returncode:
                pytest.fail(f"Go could not build {name}:\n{ran.stderr}")
            done.write_text(wanted)
    return program


def _digest(source: Path) -> str:
    files = sorted(file for pattern in SOURCES for file in source.glob(pattern))
    return hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()
