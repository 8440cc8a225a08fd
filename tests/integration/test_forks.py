"""Forked programs behave as those that are started by a command line, and files that go together exist."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.servers.process import is_alive
from tests.support.distribution import GROUPS
from tests.support.forks import ForkedProgram
from tests.support.servers import PROJECT
from tests.support.waiting import wait_until

SHOW = """
import os, secrets, sys, threading
import uuid_utils.compat
print(__name__, sys.argv[1:], os.environ["OTTER"], os.environ.get("HOME"), os.getcwd(), threading.active_count())
print(len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1, "adapters.http.api.app" in sys.modules)
sys.stdout.flush()
print(uuid_utils.compat.uuid7().hex[16:], secrets.token_hex(8), file=sys.stderr)
sys.exit(3)
"""
SLEEP = "import time; print('ready', flush=True); time.sleep(600)"
OBEY = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); {SLEEP}"
DEFY = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"

Start = Callable[[str], ForkedProgram]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts a program with this code, whose log is in the folder."""
    monkeypatch.syspath_prepend(tmp_path)

    def start(code: str) -> ForkedProgram:
        (tmp_path / "otter.py").write_text(code)
        return ForkedProgram("otter", "a", "b", environment={"OTTER": "swims"}, log=tmp_path / "log")

    return start


def test_a_fork_has_arguments_environment_log_and_exit_code_of_its_own(started: Start, tmp_path: Path) -> None:
    drawn = list[str]()
    for _ in range(2):
        with started(SHOW) as program:
            assert (program.wait(60), program.poll(), program.returncode) == (3, 3, 3)
            assert program.pid != os.getpid()
        plain, threads, random = (tmp_path / "log").read_text().splitlines()[-3:]
        assert plain == f"__main__ ['a', 'b'] swims None {Path.cwd()} 1"
        assert threads == "1 True", "it has imported the product, and has no thread of the process it is forked from"
        drawn += random.split()
    assert len(set(drawn)) == 4, "two forks draw the same random numbers"


@pytest.mark.parametrize(("code", "end"), [(SLEEP, -signal.SIGTERM), (OBEY, 7), (DEFY, -signal.SIGKILL)])
def test_a_fork_is_asked_to_end_and_killed_if_it_does_not(started: Start, tmp_path: Path, code: str, end: int) -> None:
    with started(code) as program:
        wait_until(lambda: "ready" in (tmp_path / "log").read_text())
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(0.01)
        assert (program.poll(), is_alive(program.pid)) == (None, True)
        program.stop(0.5 if code == DEFY else 60.0)
        assert (program.returncode, is_alive(program.pid)) == (end, False)
        program.kill()  # to a process that has ended: nothing


def test_a_fork_is_killed_at_the_end_of_its_context(started: Start) -> None:
    with pytest.raises(KeyError), started(DEFY) as program:
        raise KeyError
    assert (program.returncode, is_alive(program.pid)) == (-signal.SIGKILL, False)


def test_an_error_in_a_fork_is_in_its_log(started: Start, tmp_path: Path) -> None:
    with started("raise KeyError('otters')") as program:
        assert program.wait(60) == 1
    assert "KeyError: 'otters'" in (tmp_path / "log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems send no signal when a parent ends")
def test_forks_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    (tmp_path / "otter.py").write_text(SLEEP)
    begin = (
        "import sys, time\n"
        "from tests.support.forks import ForkedProgram\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "if __name__ == '__main__':\n"
        "    print(ForkedProgram('otter').pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", begin], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    wait_until(lambda: not is_alive(pid))


def test_files_that_go_together_exist() -> None:
    assert [file for file in GROUPS if not (PROJECT / file).is_file()] == []
