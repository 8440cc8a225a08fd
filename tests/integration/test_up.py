"""`palimpsest up`: one command starts everything, and no end of any process leaves it unusable."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.cli.up import is_ready
from infra.servers.process import free_port, is_alive
from infra.settings import Settings, variable
from tests.support.servers import PROJECT, open_folder

PATIENCE = 60.0


class Up:
    """A running `palimpsest up`, its output in a file."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._output = folder.with_name("output")
        command = [sys.executable, "-m", "infra.cli.main", "--data-dir", str(folder), "up", "--port", str(port)]
        with self._output.open("a") as output:
            self._process = subprocess.Popen(
                command, cwd=PROJECT, env=environment(), stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def ready(self) -> None:
        until(lambda: is_ready(self.url) or self._process.poll() is not None)
        assert self._process.poll() is None, self.output

    def parts(self) -> dict[str, int]:
        """The process ids of the parts, by a word of their command."""
        listing = subprocess.run(["ps", "-axwwo", "pid=,ppid=,command="], capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
        mine = {command: int(pid) for pid, parent, command in rows if int(parent) == self._process.pid}
        names = ("bin/postgres", "redis-server", "main api", "main projector", "main worker")
        return {name: pid for name in names for command, pid in mine.items() if name in command}

    def end(self, sign: signal.Signals) -> int:
        """The exit code after the signal."""
        self._process.send_signal(sign)
        return self._process.wait(PATIENCE)


def environment() -> dict[str, str]:
    """Ours without any settings."""
    ours = {variable(name) for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name not in ours}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def refused(folder: Path, port: int) -> str:
    """What a start says that must fail."""
    command = [sys.executable, "-m", "infra.cli.main", "--data-dir", str(folder), "up", "--port", str(port)]
    answer = subprocess.run(command, cwd=PROJECT, env=environment(), capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    return answer.stderr


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as parent:
        yield parent / "data"


@contextmanager
def running(folder: Path, port: int) -> Iterator[Up]:
    up = Up(folder, port)
    try:
        up.ready()
        yield up
    finally:
        up.end(signal.SIGTERM)


def test_it_starts_everything_and_ctrl_c_stops_it(folder: Path) -> None:
    with running(folder, free_port()) as up:
        until(lambda: "Palimpsest is ready" in up.output)
        parts = up.parts()
        assert len(parts) == 5
        assert up.end(signal.SIGINT) == 0
    assert not any(is_alive(pid) for pid in parts.values())
    assert "Stopped" in up.output


def test_a_killed_part_comes_back_while_the_rest_runs(folder: Path) -> None:
    with running(folder, free_port()) as up:
        before = up.parts()
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(up.parts()) == len(before) and not set(up.parts().values()) & set(before.values()))
        until(lambda: is_ready(up.url))


def test_nothing_outlives_a_kill_and_the_next_start_takes_up(folder: Path) -> None:
    port = free_port()
    with running(folder, port) as up:
        parts = up.parts()
        up.end(signal.SIGKILL)
        until(lambda: not any(is_alive(pid) for pid in parts.values()))
    with running(folder, port) as again:
        assert len(again.parts()) == len(parts)


def test_a_second_start_and_a_taken_port_are_refused_with_advice(folder: Path) -> None:
    port = free_port()
    with running(folder, port):
        assert "DATA_DIR=" in refused(folder, free_port())
        message = refused(folder.with_name("other"), port)
        assert str(port) in message
        assert "PORT=" in message
