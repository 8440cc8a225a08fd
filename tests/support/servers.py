"""Real servers for tests and benchmarks: one PostgreSQL for all processes of a run, one Redis for each process.

The PostgreSQL belongs to a keeper process. Users hold a shared lock on a file, which the kernel takes back however they
end; when no user holds it any more, the keeper stops the server and removes its folder.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import psycopg

from infra.local.servers.embedded import EmbeddedServer
from infra.local.servers.postgres import DATABASE, SUPERUSER, THROWAWAY, EmbeddedPostgres
from infra.local.servers.process import open_log, read_json, write_json
from infra.local.servers.redis import EmbeddedRedis
from infra.postgres.connect import SEARCH_PATH, as_part
from infra.postgres.migrate import migrate
from infra.settings.database import PARTS, Part, role_of
from tests.support.made_once import made_once

PROJECT = Path(__file__).parents[2]
TESTS_LOGIN, TESTS_PASSWORD = "palimpsest_tests", "secret-of-the-tests"
QUICK_LOGINS = {"scram_iterations": "16"}
"""A login to a server for tests takes a third of the time: most of it is hashing, on both sides."""
PART_ROLES = ", ".join(role_of(part) for part in PARTS if part != "owner")


class PostgresForTests(EmbeddedPostgres):
    """An embedded server with two more addresses: of the superuser, and of a login that is a member of every part."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, settings={**QUICK_LOGINS, **(settings or {})})

    def start(self) -> None:
        """Start the server, and create the login."""
        super().start()
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            # The one that it was created with was hashed by the default.
            connection.execute(f"ALTER ROLE {SUPERUSER} PASSWORD '{self._state[SUPERUSER]}'".encode())
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [TESTS_LOGIN]).fetchall():
                connection.execute(f"CREATE ROLE {TESTS_LOGIN} LOGIN PASSWORD '{TESTS_PASSWORD}'".encode())
                connection.execute(f"GRANT {PART_ROLES} TO {TESTS_LOGIN}".encode())

    @property
    def state_file(self) -> Path:
        """The file with the port and the passwords."""
        return self._state_file

    @property
    def admin_url(self) -> str:
        """The address for the superuser. New tables are created in `public`; ours are found too."""
        return self._address(SUPERUSER, self._state[SUPERUSER], "public,palimpsest")

    @property
    def app_url(self) -> str:
        """The address for a login that has the rights of all parts, and may take on the role of each."""
        return self._address(TESTS_LOGIN, TESTS_PASSWORD, SEARCH_PATH)

    def _address(self, login: str, password: str, search_path: str) -> str:
        server = f"{login}:{password}@127.0.0.1:{self._state['port']}"
        return f"postgresql://{server}/{DATABASE}?options={quote(f'-c search_path={search_path}')}"


class RedisForTests(EmbeddedRedis):
    """An embedded server with one more login, which may do everything."""

    def _users(self) -> list[str]:
        return [*super()._users(), f"{TESTS_LOGIN} on >{TESTS_PASSWORD} ~* &* +@all"]


def redis_admin(url: str) -> str:
    """The address of a Redis for tests with the login that may do everything, from the one of the cache."""
    return f"unix://{TESTS_LOGIN}:{TESTS_PASSWORD}@{url.partition('@')[2]}"


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database of one's own: as superuser, and as a login that has the rights of all parts."""

    name: str
    admin_url: str
    app_url: str

    def part_url(self, part: Part) -> str:
        """The address as a part has it, with its rights only."""
        return as_part(self.app_url, part)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The run's PostgreSQL. Its database `palimpsest` is migrated and is the template: connect to copies only."""

    admin_url: str
    app_url: str

    @contextmanager
    def database(self, template: str = DATABASE) -> Iterator[Database]:
        """A fresh copy of the template, to which no session may be connected. It is dropped at the end."""
        name = f"test_{uuid4().hex}"
        with psycopg.connect(_other(self.admin_url, "postgres"), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {role_of('owner')}".encode())
            # A copy does not take over the rights on the database itself.
            admin.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC".encode())
            admin.execute(f"GRANT CONNECT ON DATABASE {name} TO {PART_ROLES}".encode())
        yield Database(name, _other(self.admin_url, name), _other(self.app_url, name))
        with psycopg.connect(_other(self.admin_url, "postgres"), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def shared_postgres(run: str | None = None) -> Iterator[Cluster]:
    """The PostgreSQL of all processes that name the same run; of this one alone without a name."""
    folder = Path(tempfile.gettempdir()) / f"palimpsest-{run or uuid4().hex}"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    with (folder / "users.lock").open("w") as users:
        with _locked(folder / "start.lock"):
            fcntl.flock(users, fcntl.LOCK_SH)
            if not (folder / "ready.json").exists():
                _start_keeper(folder)
        yield Cluster(**read_json(folder / "ready.json"))


@contextmanager
def own_postgres(**settings: str) -> Iterator[PostgresForTests]:
    """A migrated server of one's own, to kill and start again; it keeps its port. `fsync` is on."""
    with open_folder() as folder:
        copy_migrated(folder / "postgres")
        server = PostgresForTests(folder / "postgres", settings=settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def copy_migrated(to: Path) -> None:
    """Make the folder of a migrated server that was never used: a copy of one that is made once per checkout.

    A cluster of its own takes several times as long as the start of a copy.
    """
    home = PROJECT / ".venv" / "postgres"
    made_once(home, _schema(), partial(_make_migrated, home / "migrated"))
    subprocess.run(["cp", "-a", home / "migrated", to], check=True)


def _make_migrated(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with open_folder() as draft:
        server = PostgresForTests(draft / "postgres")
        server.start()
        try:
            migrate(server.part_url("owner"))
        finally:
            server.stop()
        # Each copy chooses a port of its own.
        passwords = {name: value for name, value in read_json(server.state_file).items() if name != "port"}
        write_json(server.state_file, passwords)
        server.log.unlink()
        subprocess.run(["cp", "-a", server.folder, folder], check=True)


def _schema() -> str:
    """What a migrated server depends on: the versions of packages, and all of ours that makes servers and schema."""
    rooms = [PROJECT / "infra" / room for room in ("local/servers", "postgres", "settings")]
    files = [file for room in rooms for file in sorted(room.rglob("*")) if file.suffix in {".py", ".sql"}]
    found = sha256()
    for file in [PROJECT / "requirements.lock", Path(__file__), *files]:
        found.update(file.read_bytes())
    return found.hexdigest()


@contextmanager
def own_redis() -> Iterator[RedisForTests]:
    """A Redis of one's own."""
    with open_folder() as folder:
        server = RedisForTests(folder / "redis")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def environment_of(server: EmbeddedServer) -> dict[str, str]:
    """The environment that a server was started with, as Linux shows it."""
    entries = Path(f"/proc/{server.pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that the user `nobody` can pass through, as PostgreSQL needs when root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="palimpsest-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_meanwhile(folder: Path) -> None:
    """Remove a folder in a process of its own: that of a broker with thousands of partitions takes half a minute."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["sh", "-c", 'rm -rf "$0" &', folder], check=True, start_new_session=True, **quiet)  # type: ignore[call-overload]


def keep(folder: Path) -> None:
    """Run the server until its last user has ended."""
    server = PostgresForTests(folder / "postgres", settings=THROWAWAY)
    server.start()
    try:
        migrate(server.part_url("owner"))
        write_json(folder / "ready.json", {"admin_url": server.admin_url, "app_url": server.app_url})
        while not _let_go(folder):
            time.sleep(0.2)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _start_keeper(folder: Path) -> None:
    """Run this file, which returns once a detached half of it keeps the server."""
    log = folder / "keeper.log"
    output = open_log(log)
    command = [sys.executable, "-m", "tests.support.servers", str(folder)]
    started = subprocess.run(command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
    os.close(output)
    if started.returncode:
        raise RuntimeError(f"PostgreSQL for the tests did not start:\n{log.read_text()}")


def _detach(folder: Path) -> None:
    """Go on as a child in a session of its own; the parent ends when the server is ready, or with 1 when it failed."""
    child = os.fork()
    if child == 0:
        os.setsid()
        return
    while not (folder / "ready.json").exists():
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            os._exit(1)
        time.sleep(0.02)
    os._exit(0)


def _let_go(folder: Path) -> bool:
    """Whether no user holds the lock; if so, none can take it again before the folder is gone."""
    with (folder / "start.lock").open("w") as start, (folder / "users.lock").open("w") as users:
        fcntl.flock(start, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        (folder / "ready.json").unlink()
        return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _other(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()


if __name__ == "__main__":
    _detach(Path(sys.argv[1]))
    keep(Path(sys.argv[1]))
