"""The embedded servers keep their data and their address through every kind of end."""

import json
import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
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
from infra.local.servers.process import Account, ServerError, free_port, is_alive, is_own_address, port_is_free
from infra.local.servers.redis import EmbeddedRedis
from infra.settings.database import role_of
from infra.settings.model import variables
from tests.support.servers import (
    PROJECT,
    Cluster,
    Database,
    PostgresForTests,
    RedisForTests,
    environment_of,
    open_folder,
    redis_admin,
)
from tests.support.waiting import wait_until

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


def test_l7_a_user_of_its_own_runs_postgres_for_root_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding L7: other programs run as the user without rights; they could read the cluster and stop the server."""
    users = {"nobody": 65534}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: pwd.struct_passwd((name, "x", users[name], 7, "", "/", "/")))
    assert unprivileged.account() == Account("nobody", 65534, 7)
    users["palimpsest"] = 990
    assert unprivileged.account() == Account("palimpsest", 990, 7)
    users.clear()
    with pytest.raises(ServerError, match="no user palimpsest or nobody"):
        unprivileged.account()


def test_data_of_another_user_is_named_with_what_to_do(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    (folder / "cluster").mkdir()
    server.account = Account("palimpsest", server.account.uid + 1, 7)
    with pytest.raises(ServerError, match="Run: chown -R palimpsest"):
        server.start()


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
    wait_until(lambda: not is_alive(pid))


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


def test_redis_is_a_cache_that_writes_nothing_and_wants_its_password(own_redis: RedisForTests) -> None:
    """H7: an append-only file outlived the entries in it."""
    with redis.Redis.from_url(own_redis.url) as client:
        client.set("palimpsest:entry", "canary")
    own_redis.stop()
    assert files_with(own_redis.folder, b"canary") == []
    old = own_redis.folder / "appendonlydir" / "appendonly.aof.1.incr.aof"
    old.parent.mkdir(exist_ok=True)
    old.write_text("canary")
    own_redis.start()
    assert files_with(own_redis.folder, b"canary") == []
    with redis.Redis.from_url(redis_admin(own_redis.url)) as client:
        assert client.dbsize() == 0
    for login in ("", "palimpsest:guess@", ":guess@"):
        with at(own_redis, login) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def at(server: RedisForTests, login: str) -> "redis.Redis":
    """A client with another login."""
    return redis.Redis.from_url(f"unix://{login}{server.url.partition('@')[2]}", retry=Retry(NoBackoff(), 0))


@pytest.mark.parametrize(
    "command",
    [
        "GET strange",
        "SET strange 1",
        "DEL palimpsest:entry strange",
        "FLUSHALL",
        "KEYS palimpsest:*",
        "CONFIG GET requirepass",
        "ACL LIST",
        "EVAL return(1) 0",
        "SCRIPT FLUSH",
        "INFO",
        "CLIENT LIST",
        "PUBLISH palimpsest:news 1",
        "SUBSCRIBE palimpsest:news",
        "MONITOR",
        "SHUTDOWN",
    ],
)
def test_m8_the_login_of_the_cache_may_do_nothing_but_what_the_cache_does(
    redis_server: RedisForTests, command: str
) -> None:
    with redis.Redis.from_url(redis_server.url) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command.split())


def test_m8_a_script_of_the_cache_has_no_more_rights_than_its_login(redis_server: RedisForTests) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        for script in ("return redis.call('GET', 'strange')", "return redis.call('KEYS', '*')"):
            with pytest.raises(redis.ResponseError, match=r"ACL failure"):
                client.evalsha(client.script_load(script), 0)


def test_l3_redis_listens_where_no_other_user_can_take_its_place(own_redis: RedisForTests) -> None:
    """Finding L3: a loopback port was free for others while the server was down."""
    with redis.Redis.from_url(redis_admin(own_redis.url)) as client:
        assert client.config_get("port") == {"port": "0"}
        socket = Path(client.config_get("unixsocket")["unixsocket"])
    assert socket.stat().st_mode & 0o777 == 0o600
    assert socket.parent.stat().st_mode & 0o777 == 0o700


def open_to_others(folder: Path) -> list[Path]:
    """The files in a folder, and the folder itself, that other users may open or list."""
    return [path for path in (folder, *folder.rglob("*")) if not path.is_symlink() and path.stat().st_mode & 0o066]


def test_l11_what_redis_writes_is_private_even_in_a_folder_that_was_open(folder: Path) -> None:
    (folder / "redis").mkdir()
    (folder / "redis").chmod(0o777)
    server = RedisForTests(folder / "redis")
    server.start()
    try:
        assert {path.name for path in server.folder.iterdir()} >= {"redis.pid", "redis.conf", "redis.sock"}
        assert open_to_others(server.folder) == []
    finally:
        server.stop()


def test_l11_what_postgres_writes_is_private_even_in_a_folder_that_was_open(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres").chmod(0o777)
    server = EmbeddedPostgres(folder / "postgres")
    server.start()
    try:
        assert open_to_others(server.folder) == []
    finally:
        server.stop()


def test_a_folder_with_odd_characters_in_its_name_is_no_obstacle(folder: Path) -> None:
    server = RedisForTests(folder / "a folder, 100% @home #1?")
    server.start()
    with redis.Redis.from_url(server.url) as client:
        assert client.get("palimpsest:entry") is None
    server.stop()


def test_a_folder_whose_path_is_too_long_for_a_socket_is_no_obstacle(folder: Path) -> None:
    server = RedisForTests(folder / ("deep" * 25))
    server.start()
    socket = Path(server.url.partition("@")[2].partition("?")[0])
    try:
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        server.kill()
        server.start()
        assert server.alive()
    finally:
        server.stop()
        socket.parent.rmdir()


def test_redis_starts_again_after_a_crash(own_redis: RedisForTests) -> None:
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
    wait_until(lambda: not answers(address))


def answers(address: str) -> bool:
    """Whether the server accepts a connection."""
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True
