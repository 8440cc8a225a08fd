"""Processes, ports and state files: shared by the embedded servers and the process tree."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.errors import SetupError
from infra.private_file import write_private

LAUNCH = Path(__file__).with_name("launch.py")
MAX_LOG_BYTES = 10_000_000
"""A larger log file is renamed at the next start."""
LOG_TAIL_LINES = 5


INHERITED = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "TZ", "JAVA_HOME", "LD_LIBRARY_PATH")
"""The variables that programs of others get from ours: none with a key or a password."""


class ServerError(SetupError):
    """A server or process cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user a server runs as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def current(cls) -> "Account":
        """The user that runs this program."""
        return cls("current user", os.geteuid(), os.getegid())


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path | None = None,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command in its own session. On Linux it gets `death_signal` when the calling *thread* ends.

    Without `log` it inherits standard output and standard error. Without `environment` it gets what others may see.
    """
    user = account or Account.current()
    launch = [sys.executable, "-I", "-S", LAUNCH, os.getpid(), int(death_signal), user.uid, user.gid]
    output = open_log(log) if log else None
    try:
        return subprocess.Popen(
            [str(part) for part in (*launch, *command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            env=environment_for_others() if environment is None else environment,
            start_new_session=True,
        )
    finally:
        if output is not None:
            os.close(output)


def environment_for_others() -> dict[str, str]:
    """The environment for programs that are not ours. A superuser of PostgreSQL can read that of the server."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def open_log(path: Path) -> int:
    """A file descriptor that appends to the log file. A large log is first renamed to `.1`."""
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_suffix(path.suffix + ".1"))
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def log_tail(path: Path, useful: Callable[[list[str]], list[str]] = list) -> str:
    """The last lines of a log file, of those that are `useful`."""
    lines: list[str] = []
    with suppress(OSError):
        lines = path.read_text(errors="replace").splitlines()
    return "\n".join(useful(lines)[-LOG_TAIL_LINES:]) or "(the log is empty)"


def end(process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> None:
    """Stop a process: send each signal and wait up to its number of seconds; SIGKILL if it is still running."""
    for sign, timeout in steps:
        if process.poll() is not None:
            return
        process.send_signal(sign)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            continue
    if process.poll() is None:
        process.kill()
        process.wait()


def end_orphan(pid: int, *steps: tuple[signal.Signals, float]) -> None:
    """Stop a process that is not a child of this one, in the same way as `end`."""
    for sign, timeout in (*steps, (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + timeout
        while is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process with this id is running (a zombie is not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc/self").exists()


def command_of(pid: int) -> str:
    """The command line of a process; empty if the process does not exist."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    if Path("/proc/self").exists():
        return ""
    answer = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)],  # noqa: S607 - its path differs between systems
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip()


def free_port(preferred: int | None = None, other_than: int | None = None) -> int:
    """The preferred port of the loopback interface if it is free, else any free port, but never `other_than`."""
    if preferred and preferred != other_than and port_is_free(preferred):
        return preferred
    first, second = free_ports(2)
    return second if first == other_than else first


def free_ports(count: int) -> list[int]:
    """So many different free ports of the loopback interface."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server can listen on this port; False if another program does.

    Raises:
        ServerError: the port cannot be used for another reason.
    """
    try:
        _listen(port, host)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise ServerError(f"Cannot listen on {host}, port {port} ({error.strerror}). Choose another.") from None
    return True


def is_own_address(host: str) -> bool:
    """Whether `host` is an address of this machine, or the name of one."""
    try:
        _listen(0, host)
    except OSError:
        return False
    return True


def _listen(port: int, host: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def write_json(path: Path, state: Mapping[str, Any]) -> None:
    """Write a small JSON file in the way of `write_private`."""
    write_private(path, json.dumps(state, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The content of a file that `write_json` wrote; empty if there is no file."""
    try:
        state: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return state
