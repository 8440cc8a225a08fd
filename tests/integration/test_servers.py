"""The embedded servers keep their data and their address through every kind of end."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from infra.local.servers import unprivileged
from infra.local.servers.postgres import EmbeddedPostgres
from infra.local.servers.process import ServerError, free_port, is_alive, is_own_address, port_is_free
from infra.local.servers.redis import EmbeddedRedis
from infra.settings.database import role_of
from infra.settings.model import variables
from tests.support.servers import PROJECT, Cluster, Database, PostgresForTests, environment_of, open_folder

START_AND_STAY = """
import sys, time
from pathlib import Path
from infra.local.servers.{module} import {name}
server = {name}(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path


def started_elsewhere(name: str, folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A program that started the server and stays, and the server's process id."""
    program = START_AND_STAY.format(module=name.removeprefix("Embedded").lower(), name=name)
    command = [sys.executable, "-c", program, str(folder)]
    owner = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    with owner.stdout:
        return owner, int(owner.stdout.readline())


def test_postgres_keeps_rows_and_address_through_a_stop_and_a_crash(own_postgres: PostgresForTests) -> None:
    address = own_postgres.admin_url
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept (x int)")
    own_postgres.stop()
    own_postgres.start()
    own_postgres.kill()
    own_postgres.start()
    assert own_postgres.admin_url == address
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_postgres_rejects_a_wrong_password(cluster: Cluster) -> None:
    secret = cluster.app_url.split(":")[2].split("@")[0]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(cluster.app_url.replace(secret, "guess"))


def test_another_program_on_its_port_does_not_learn_a_password(folder: Path) -> None:
    """Finding L3: the driver sent the password in clear to a server that asked for it."""
    with socket.create_server(("127.0.0.1", 0)) as stranger, ThreadPoolExecutor() as pool:
        state = {"port": stranger.getsockname()[1], role_of("api"): "canary"}
        (folder / "postgres.json").write_text(json.dumps(state))
        asked = pool.submit(ask_for_a_password, stranger)
        with pytest.raises(psycopg.OperationalError, match="scram-sha-256"):
            psycopg.connect(EmbeddedPostgres(folder).part_url("api"))
        assert asked.result(timeout=10) == b""


def ask_for_a_password(listener: socket.socket) -> bytes:
    """Act as a PostgreSQL that wants the password in clear. Returns what the client sends then."""
    client, _ = listener.accept()
    with client:
        while (length := int.from_bytes(client.recv(4), "big")) == 8:  # a request for encryption
            client.recv(4)
            client.sendall(b"N")
        client.recv(length - 4)
        client.sendall(b"R" + struct.pack("!ii", 8, 3))
        return client.recv(1024)


def test_postgres_never_runs_as_root(cluster: Cluster) -> None:
    with psycopg.connect(cluster.admin_url.replace("/palimpsest", "/postgres")) as connection:
        assert Path(f"/proc/{connection.info.backend_pid}").stat().st_uid == unprivileged.account().uid != 0


def test_a_closed_folder_is_replaced_by_one_that_the_server_can_enter(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unprivileged, "FALLBACK_FOLDER", folder / "elsewhere")
    tmp_path.chmod(0o700)
    wheel = tmp_path / "site-packages" / "wheel"
    (wheel / "programs" / "bin").mkdir(parents=True)
    (wheel.with_name("wheel.libs")).mkdir()
    user = unprivileged.account()
    programs = unprivileged.accessible_programs(wheel / "programs", user)
    assert unprivileged.can_enter(unprivileged.accessible_folder(tmp_path / "data", user), user)
    assert unprivileged.can_enter(programs / "bin", user)
    assert unprivileged.can_enter(programs.parents[1] / "wheel.libs", user)


def test_postgres_ends_with_the_program_that_started_it(folder: Path) -> None:
    owner, pid = started_elsewhere("EmbeddedPostgres", folder)
    owner.kill()
    owner.wait()
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(pid)


@pytest.mark.parametrize("server", [EmbeddedPostgres, EmbeddedRedis])
def test_a_server_that_outlived_its_program_is_replaced(
    server: type[EmbeddedPostgres] | type[EmbeddedRedis], folder: Path
) -> None:
    owner, pid = started_elsewhere(server.__name__, folder)
    try:
        successor = server(folder)
        successor.start()
        assert not is_alive(pid)
        assert successor.alive()
        successor.stop()
    finally:
        owner.kill()
        owner.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedRedis])
def test_a_server_inherits_no_secret_of_ours(
    kind: type[EmbeddedPostgres] | type[EmbeddedRedis], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A superuser of PostgreSQL could read the keys of all data in the environment of the server."""
    for name in variables():
        monkeypatch.setenv(name, "canary")
    server = kind(folder)
    server.start()
    try:
        assert "canary" not in "".join(environment_of(server).values())
    finally:
        server.stop()


def test_a_pid_file_that_names_a_stranger_is_ignored(own_postgres: PostgresForTests) -> None:
    own_postgres.kill()
    note = own_postgres.folder / "cluster" / "postmaster.pid"
    lines = note.read_text().splitlines()
    note.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    own_postgres.start()
    assert own_postgres.alive()


def test_a_half_made_cluster_is_replaced(folder: Path) -> None:
    (folder / "cluster.new").mkdir()
    (folder / "cluster.new" / "PG_VERSION").write_text("18")
    server = EmbeddedPostgres(folder)
    server.start()
    assert server.alive()
    assert (folder / "postgres.json").stat().st_mode & 0o777 == 0o600
    server.stop()


def test_a_taken_port_is_named(folder: Path, cluster: Cluster) -> None:
    port = int(psycopg.conninfo.conninfo_to_dict(cluster.admin_url)["port"] or 0)
    with pytest.raises(ServerError, match=str(port)):
        EmbeddedPostgres(folder, port=port).start()


def test_another_port_is_chosen_when_the_old_one_is_taken(folder: Path, cluster: Cluster) -> None:
    port = int(psycopg.conninfo.conninfo_to_dict(cluster.admin_url)["port"] or 0)
    assert free_port(port) != port


def test_only_an_address_of_this_machine_can_be_listened_on() -> None:
    assert is_own_address("127.0.0.1")
    assert is_own_address("localhost")
    assert is_own_address("0.0.0.0")
    assert not is_own_address("192.0.2.1")
    assert not is_own_address("nosuchhost.invalid")


def test_a_port_that_cannot_be_had_for_another_reason_is_not_called_taken() -> None:
    with pytest.raises(ServerError, match=r"192\.0\.2\.1"):
        port_is_free(9999, "192.0.2.1")


def test_a_lost_password_file_is_explained(own_postgres: PostgresForTests) -> None:
    own_postgres.stop()
    (own_postgres.folder / "postgres.json").unlink()
    with pytest.raises(ServerError, match="Restore it"):
        EmbeddedPostgres(own_postgres.folder).start()


def files_with(folder: Path, word: bytes) -> list[Path]:
    """The files in a folder that contain a word."""
    return [file for file in folder.rglob("*") if file.is_file() and word in file.read_bytes()]


def test_redis_is_a_cache_that_writes_nothing_and_wants_its_password(own_redis: EmbeddedRedis) -> None:
    """H7: an append-only file outlived the entries in it."""
    with redis.Redis.from_url(own_redis.url) as client:
        client.set("entry", "canary")
    own_redis.stop()
    assert files_with(own_redis.folder, b"canary") == []
    old = own_redis.folder / "appendonlydir" / "appendonly.aof.1.incr.aof"
    old.parent.mkdir(exist_ok=True)
    old.write_text("canary")
    own_redis.start()
    assert files_with(own_redis.folder, b"canary") == []
    with redis.Redis.from_url(own_redis.url) as client:
        assert client.dbsize() == 0
        port = client.get_connection_kwargs()["port"]
    with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_redis_starts_again_after_a_crash(own_redis: EmbeddedRedis) -> None:
    own_redis.kill()
    own_redis.start()
    assert own_redis.alive()


def test_each_test_has_a_database_of_its_own(cluster: Cluster, database: Database) -> None:
    with cluster.database() as other, psycopg.connect(other.admin_url) as connection:
        connection.execute("CREATE TABLE mine (x int)")
    with psycopg.connect(database.admin_url) as connection:
        assert connection.execute("SELECT to_regclass('mine'), to_regclass('stored_events')").fetchone() == (
            None,
            "stored_events",
        )


def test_the_shared_server_stops_when_its_last_user_ends_even_by_a_kill() -> None:
    program = (
        "import time\nfrom tests.support.servers import shared_postgres\n"
        "with shared_postgres() as cluster:\n    print(cluster.admin_url, flush=True)\n    time.sleep(60)\n"
    )
    user = subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert user.stdout
    with user.stdout:
        address = user.stdout.readline().strip()
    psycopg.connect(address).close()
    user.send_signal(signal.SIGKILL)
    user.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            return
        time.sleep(0.1)
    pytest.fail("the server still runs")
