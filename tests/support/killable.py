"""A server outside of Palimpsest, in a process of its own, that tests kill and start again: mail, language models.

What it has done is in a ledger, a file that outlives it.
"""

from pathlib import Path
from typing import ClassVar

from infra.local.servers.process import port_is_free
from tests.support.forks import ForkedProgram
from tests.support.waiting import wait_until

HOST = "127.0.0.1"


class KillableServer:
    """Runs `python -m MODULE --port PORT LEDGER`, to `kill()` and `start()`."""

    MODULE: ClassVar[str]

    def __init__(self, path: Path, port: int) -> None:
        self.port = port
        self._path = path
        self._process: ForkedProgram | None = None

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self._process = ForkedProgram(self.MODULE, "--port", str(self.port), str(self._path))
        wait_until(lambda: not port_is_free(self.port, HOST))

    def kill(self) -> None:
        """End it at once, in the middle of its work."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
