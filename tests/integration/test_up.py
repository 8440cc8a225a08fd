"""`palimpsest up`: one command starts everything, and no end of any process leaves it unusable."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from kafka import KafkaConsumer, TopicPartition

from infra.audit import check_proof
from infra.cli.up import is_ready
from infra.local.servers.kafka import EmbeddedKafka
from infra.local.servers.process import free_port, is_alive, port_is_free
from infra.sealing.key_ring import KeyKind, KeyRing
from infra.settings.database import PARTS, role_of
from infra.settings.load import SERVERS_FILE, database_file
from infra.settings.model import variables
from tests.support.servers import PROJECT, open_folder
from tests.support.stores import KEY_RING, rows
from tests.support.waiting import wait_until

TIMEOUT_SECONDS = 60.0
LOGINS = """
SELECT DISTINCT usename FROM pg_stat_activity
WHERE application_name = 'palimpsest' AND datname = current_database() AND usename <> current_user
"""


class Up:
    """A running `palimpsest up`, its output in a file."""

    def __init__(self, folder: Path, port: int, *options: str, **variables: str) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._output = folder.with_name("output")
        command = [
            sys.executable,
            "-m",
            "infra.cli.main",
            "--data-dir",
            str(folder),
            "up",
            "--port",
            str(port),
            *options,
        ]
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                command, cwd=PROJECT, env={**environment(), **variables}, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def ready(self) -> None:
        """Wait for the greeting."""
        wait_until(lambda: "Ctrl-C stops everything" in self.output or self._process.poll() is not None)
        assert self._process.poll() is None, self.output

    def parts(self) -> dict[str, int]:
        """The process ids of the parts, by a word of their command."""
        listing = subprocess.run(["ps", "-axwwo", "pid=,ppid=,command="], capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
        mine = {command: int(pid) for pid, parent, command in rows if int(parent) == self._process.pid}
        names = (
            "bin/postgres",
            "valkey-server",
            "main api",
            "main projector",
            "main worker",
            "main relay",
            "main sealer",
            "kafka.Kafka",
        )
        return {name: pid for name in names for command, pid in mine.items() if name in command}

    def end(self, sign: signal.Signals) -> int:
        """The exit code after the signal."""
        self._process.send_signal(sign)
        return self._process.wait(TIMEOUT_SECONDS)


def environment() -> dict[str, str]:
    """Ours without any settings."""
    ours = variables()
    return {name: value for name, value in os.environ.items() if name not in ours}


def published(address: str, prefix: str = "palimpsest") -> bool:
    """Whether the account that is made for trying things out is in the topic of users."""
    place = TopicPartition(f"{prefix}.user.v1", 0)
    # A broker that starts again is asked every second: by default the pauses grow past the time limit.
    options = {"group_id": None, "allow_auto_create_topics": False, "reconnect_backoff_max_ms": 1000}
    with closing(KafkaConsumer(bootstrap_servers=[address], **options)) as consumer:
        return place.topic in consumer.topics() and consumer.end_offsets([place])[place] > 0


def schema_link(address: str, prefix: str) -> str:
    """Where the first record about a user says that its schema is."""
    place = TopicPartition(f"{prefix}.user.v1", 0)
    with closing(KafkaConsumer(bootstrap_servers=[address], group_id=None, auto_offset_reset="earliest")) as consumer:
        consumer.assign([place])
        record = next(iter(consumer))
    return str(dict(record.headers)["ce_dataschema"], "utf-8")


def refused(folder: Path, port: int, **variables: str) -> str:
    """What a start says that must fail."""
    command = [sys.executable, "-m", "infra.cli.main", "--data-dir", str(folder), "up", "--port", str(port)]
    answer = subprocess.run(
        command, cwd=PROJECT, env={**environment(), **variables}, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stdout + answer.stderr


def asked(folder: Path, *words: str) -> str:
    """What another command prints in the same folder."""
    command = [sys.executable, "-m", "infra.cli.main", "--data-dir", str(folder), *words]
    return subprocess.run(command, cwd=PROJECT, env=environment(), capture_output=True, text=True, check=True).stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as parent:
        yield parent / "data"


@contextmanager
def running(folder: Path, port: int, *options: str, **variables: str) -> Iterator[Up]:
    up = Up(folder, port, *options, **variables)
    try:
        up.ready()
        yield up
    finally:
        up.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """One that stays up; tests leave it as they find it."""
    with open_folder() as parent, running(parent / "data", free_port()) as shared:
        yield shared


def test_the_walk_that_it_prints_works(up: Up) -> None:
    lines = up.output.partition("from another terminal:\n")[2].partition("\nCtrl-C")[0]
    walked = subprocess.run(["bash", "-euc", lines], capture_output=True, text=True, check=True, timeout=60)
    accepted, listed = map(json.loads, walked.stdout.splitlines())
    created = json.loads(walked.stderr)
    assert accepted["next"].startswith("Look into your mail")
    assert created["title"] == "Hello"
    assert created["id"] in str(listed)


def test_a_second_start_on_the_same_folder_is_refused_with_advice(up: Up) -> None:
    assert "DATA_DIR=" in refused(up.folder, free_port())


def test_a_taken_port_is_refused_with_advice(up: Up, folder: Path) -> None:
    message = refused(folder, up.port)
    assert str(up.port) in message
    assert "PORT=" in message


def test_case_15_logs_are_json_in_files_and_the_terminal_is_for_people(up: Up) -> None:
    assert f"Logs   {up.folder / 'logs'}" in up.output
    logs = [up.folder / "logs" / f"{name}.log" for name in ("api", "projector", "worker", "sealer")]
    wait_until(lambda: "/health/ready" in logs[0].read_text())
    for log in logs:
        assert log.stat().st_mode & 0o777 == 0o600
        assert {json.loads(line)["role"] for line in log.read_text().splitlines()} <= {log.stem}
    assert "GET" not in up.output
    assert '"level"' not in up.output


def test_without_a_log_key_all_but_the_sealer_start(folder: Path) -> None:
    """It was started again for ever."""
    keys = KeyRing(tuple(key for key in KEY_RING.keys if key.kind is not KeyKind.LOG)).document()
    with running(folder, free_port(), PALIMPSEST_KEYS=keys) as up:
        [line] = [line for line in up.output.splitlines() if "Sealer" in line]
        assert line == (
            "  Sealer      not started: PALIMPSEST_KEYS has no log key. Add the one that `palimpsest new-keys` prints."
        )
        wait_until(lambda: "main worker" in up.parts())
        assert "main sealer" not in up.parts()


def test_other_commands_in_the_same_folder_see_where_it_listens(up: Up) -> None:
    assert f"PALIMPSEST_PORT={up.port}\n" in asked(up.folder, "settings")
    assert f"{up.url} is ready" in asked(up.folder, "doctor")


def test_mails_are_files_whose_links_are_shown_on_the_terminal(up: Up) -> None:
    assert f"Mail   {up.folder / 'mail'} (no mail server is set" in up.output
    assert str(up.folder / "mail") in asked(up.folder, "mail", "send-test", "ada@example.org")
    wait_until(lambda: "Mail   to ada@example.org: A test mail\n" in up.output)


def test_each_process_logs_in_as_its_part_with_an_address_of_its_own(up: Up) -> None:
    """Finding L5: every process read the superuser's address."""
    addresses = {part: (up.folder / database_file(part)).read_text() for part in PARTS}
    assert {part for part in PARTS if f"//{role_of(part)}:" in addresses[part]} == set(PARTS)
    assert not any(role_of(part) in addresses[other] for part in PARTS for other in PARTS if part != other)
    assert "postgresql://" not in (up.folder / SERVERS_FILE).read_text()
    assert f"DATABASE_URL=postgresql://{role_of('api')}:****@" in asked(up.folder, "settings")
    running = {(role_of(part),) for part in ("api", "projector", "worker", "sealer")}
    wait_until(lambda: set(rows(addresses["owner"].split("'")[1], LOGINS)) == running)


@pytest.mark.parametrize(
    "address",
    ["postgres//bob:hunter2@db/x", "postgresql://bob:%ZZhunter2@db/x", "postgresql://bob:hunter2@127.0.0.1:1/x"],
)
def test_a_database_that_cannot_be_reached_is_refused_without_its_password(folder: Path, address: str) -> None:
    message = refused(folder, free_port(), DATABASE_URL=address)
    assert "DATABASE_URL" in message
    assert "hunter2" not in message


@pytest.mark.parametrize("name", ["PALIMPSEST_HOST", "PALIMPSEST_METRICS_HOST"])
@pytest.mark.parametrize("host", ["192.0.2.1", "nosuchhost.invalid"])
def test_a_host_that_is_not_ours_is_refused_by_name(folder: Path, name: str, host: str) -> None:
    assert f"{name}: '{host}' is not an address of this machine" in refused(folder, free_port(), **{name: host})


def test_a_misspelt_variable_is_pointed_out(up: Up, folder: Path) -> None:
    message = refused(folder, up.port, PALIMPSEST_METRIC_PORT="1")
    assert "PALIMPSEST_METRIC_PORT is not a setting; PALIMPSEST_METRICS_PORT is." in message


def test_the_log_is_sealed_and_can_be_verified_and_proved(up: Up) -> None:
    wait_until(lambda: " 0 later events are not sealed yet" in asked(up.folder, "audit", "verify"))
    key, proof = asked(up.folder, "audit", "key").strip(), asked(up.folder, "audit", "prove", "1")
    assert "Position 1 of " in check_proof.check(key, proof)


def test_killed_parts_come_back_while_the_rest_runs(up: Up) -> None:
    before = up.parts()
    assert len(before) == 6
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(up.parts()) == len(before) and not set(up.parts().values()) & set(before.values()))
    wait_until(lambda: is_ready(up.url))


def test_nothing_outlives_a_kill_and_the_next_start_takes_up_and_ends_on_ctrl_c(folder: Path) -> None:
    with running(folder, free_port()) as killed:
        orphans = killed.parts().values()
        killed.end(signal.SIGKILL)
        wait_until(lambda: not any(is_alive(pid) for pid in orphans))
    (folder / SERVERS_FILE).write_text("PALIMPSEST_PORT='1'\nPALIMPSEST_HOST='192.0.2.1'\n")
    with running(folder, killed.port) as up:
        parts = up.parts().values()
        assert len(parts) == 6
        assert up.end(signal.SIGINT) == 0
    assert not any(is_alive(pid) for pid in parts)
    assert "Stopped" in up.output


def test_what_happens_is_published_to_a_broker_of_its_own_which_comes_back(folder: Path) -> None:
    with running(folder, free_port(), "--kafka", PALIMPSEST_KAFKA_PARTITIONS="1") as up:
        address = asked(folder, "settings").partition("KAFKA_BOOTSTRAP_SERVERS=")[2].partition("\n")[0]
        assert f"Kafka  {address}" in up.output
        wait_until(lambda: published(address))
        before = up.parts()
        assert len(before) == 8
        for name in ("main relay", "kafka.Kafka"):
            os.kill(before[name], signal.SIGKILL)
        wait_until(lambda: len(up.parts()) == 8)
        assert published(address)


def test_what_happens_is_published_to_brokers_that_are_named(folder: Path, kafka: EmbeddedKafka) -> None:
    named = {"KAFKA_BOOTSTRAP_SERVERS": kafka.address, "PALIMPSEST_KAFKA_PREFIX": "named"}
    with running(folder, free_port(), "--kafka", PALIMPSEST_KAFKA_PARTITIONS="1", **named) as up:
        assert len(up.parts()) == 7
        wait_until(lambda: published(kafka.address, "named"))
        link = schema_link(kafka.address, "named")
        assert link.startswith(f"{up.url}/v1/"), "case 8"
        assert urlopen(link).status == 200


def test_a_broker_by_itself_says_its_address_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    port, output = free_port(), tmp_path / "output"
    words = ["--data-dir", str(tmp_path), "kafka", "--port", str(port)]
    with output.open("w") as file:
        broker = subprocess.Popen([sys.executable, "-m", "infra.cli.main", *words], cwd=PROJECT, stdout=file)
    wait_until(lambda: f"KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:{port} make run" in output.read_text())
    broker.send_signal(signal.SIGINT)
    assert broker.wait(TIMEOUT_SECONDS) == 0
    assert "Stopped" in output.read_text()
    assert port_is_free(port)
