"""The base of the embedded servers: one process in one data folder, with a small state file and a log file."""

import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from infra.local.servers.process import (
    ServerError,
    command_of,
    end,
    end_orphan,
    free_port,
    is_alive,
    log_tail,
    port_is_free,
    read_json,
    write_json,
)


class EmbeddedServer(ABC):
    """One server in one folder, on the loopback interface.

    `start()` after a crash or stop keeps the port. The next program keeps it, too, while it is free; else it takes
    another. A given `port` is always used. One program at a time may use a folder; the caller ensures that.
    """

    name: ClassVar[str]
    """The server as users know it, for error messages."""

    program_name: ClassVar[str]
    """Prefix of the files in the folder: NAME.json (ports and passwords, mode 600) and NAME.log."""

    shutdown: ClassVar[Sequence[tuple[signal.Signals, float]]]
    """Signals that stop the server, each with the seconds to wait; SIGKILL follows."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        with suppress(PermissionError):  # the folder of another user: `_end_orphan` says so
            self.folder.chmod(self._folder_mode)
        self._given_port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._state: dict[str, Any] = read_json(self._state_file)
        self._has_started = False

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.folder / f"{self.program_name}.log"

    @property
    def pid(self) -> int | None:
        """The process id of the running server."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def alive(self) -> bool:
        """Whether the server that this object started is running."""
        return self.pid is not None

    @abstractmethod
    def start(self) -> None:
        """Start the server and return when it accepts requests.

        Raises:
            ServerError: it cannot start; the message says why and what to do.
        """

    def stop(self) -> None:
        """Shut the server down in order; its data is on disk."""
        if self._process:
            end(self._process, *self.shutdown)
            self._process = None

    def kill(self) -> None:
        """End the server as a crash would, for tests of recovery."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def _folder_mode(self) -> int:
        """The folder's permissions, also if it was there before."""
        return 0o700

    @property
    @abstractmethod
    def _pid_file(self) -> Path:
        """A file whose first line is the process id of the last start."""

    @property
    @abstractmethod
    def _command_mark(self) -> str:
        """A part of the command line that tells this server from another process that got the same id."""

    @property
    def _state_file(self) -> Path:
        return self.folder / f"{self.program_name}.json"

    def _save_state(self, **state: Any) -> None:
        self._state = state
        write_json(self._state_file, state)

    def _choose_port(self, default: int | None = None) -> int:
        """The port for this start.

        Raises:
            ServerError: the given port is taken.
        """
        if self._given_port:
            if not port_is_free(self._given_port):
                raise ServerError(f"{self.name}'s port {self._given_port} is taken. Choose another.")
            return self._given_port
        return self._kept_port("port", default)

    def _kept_port(self, key: str, default: int | None = None, other_than: int | None = None) -> int:
        """The port under `key` of the state file, or another one if this program did not use it yet and it is taken.

        `other_than`: a port that the server needs for something else.
        """
        known: int | None = self._state.get(key)
        return known if known and self._has_started else free_port(known or default, other_than)

    def _end_orphan(self) -> None:
        """End a server that outlived the program that started it, and remove its pid file.

        Raises:
            ServerError: the folder belongs to another user.
        """
        try:
            pid = int(self._pid_file.read_text().partition("\n")[0])
        except (FileNotFoundError, ValueError):
            return
        except PermissionError as error:
            raise ServerError(
                f"{self._pid_file.parent} belongs to another user. "
                "Start as that user, or choose another folder (DATA_DIR=)."
            ) from error
        if is_alive(pid) and self._command_mark in command_of(pid):
            end_orphan(pid, *self.shutdown)
        self._pid_file.unlink(missing_ok=True)

    def _failure(self, what: str) -> ServerError:
        """The error for a server that does not start: `what` is a sentence without its full stop."""
        return ServerError(f"{what}. Its last log lines:\n{self._log_tail()}\nThe whole log is {self.log}.")

    def _log_tail(self) -> str:
        """The last useful lines of the log."""
        return log_tail(self.log, self._useful)

    def _useful(self, lines: list[str]) -> list[str]:
        """The log lines that help a user: all, unless a server leaves some out."""
        return lines
