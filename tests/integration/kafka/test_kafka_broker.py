"""The embedded broker keeps its records and its address through every restart, and names what is missing."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from infra.kafka.client.config import connection
from infra.local.servers import kafka_jars
from infra.local.servers.kafka import EmbeddedKafka
from infra.local.servers.process import ServerError, free_port, is_alive
from infra.settings.kafka import KafkaSettings
from infra.settings.model import variables
from tests.support.kafka import Brokers, own_kafka, three_brokers
from tests.support.servers import PROJECT, environment_of, open_folder

TOPIC = "kept"
PARTITION = TopicPartition(TOPIC, 0)
NO_PROGRAMS = "/nonexistent"
LOGIN = {
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "listener.name.plaintext.plain.sasl.jaas.config": (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        'username="app" password="canary" user_app="canary";'
    ),
}
START_AND_STAY = """
import sys, time
from pathlib import Path
from infra.local.servers.kafka import EmbeddedKafka
broker = EmbeddedKafka(Path(sys.argv[1]))
broker.start()
print(broker.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path


def client(address: str, **given: Any) -> dict[str, Any]:
    return {"bootstrap_servers": address.split(","), "bootstrap_timeout_ms": 30_000, **given}


def make_topic(address: str, copies: int = 1) -> None:
    with closing(KafkaAdminClient(**client(address))) as admin:
        plan = {"num_partitions": 1, "replication_factor": copies}
        admin.create_topics({TOPIC: plan}, wait_for_metadata=True)


def write(address: str, *values: bytes) -> None:
    with closing(KafkaProducer(**client(address), acks="all")) as producer:
        for sent in [producer.send(TOPIC, value) for value in values]:
            sent.get(30)


def written(address: str) -> list[bytes]:
    """The values of all records of the topic."""
    found: list[bytes] = []
    with closing(KafkaConsumer(**client(address), group_id=None)) as consumer:
        consumer.assign([PARTITION])
        consumer.seek_to_beginning(PARTITION)
        end = consumer.end_offsets([PARTITION])[PARTITION]
        while consumer.position(PARTITION) < end:
            found += [record.value for records in consumer.poll(200).values() for record in records]
    return found


def test_it_keeps_records_and_address_through_a_crash_and_a_stop(own_kafka: EmbeddedKafka) -> None:
    address = own_kafka.address
    make_topic(address)
    write(address, b"one")
    own_kafka.kill()
    own_kafka.start()
    write(address, b"two")
    own_kafka.stop()
    own_kafka.start()
    assert own_kafka.address == address
    assert written(address) == [b"one", b"two"]


def test_it_ends_with_the_program_that_started_it_and_the_next_takes_over(folder: Path) -> None:
    command = [sys.executable, "-c", START_AND_STAY, str(folder)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        owner.send_signal(signal.SIGKILL)
    successor = EmbeddedKafka(folder)
    try:
        successor.start()
        assert not is_alive(pid)
    finally:
        successor.kill()


def test_a_start_after_one_that_died_while_formatting_succeeds(folder: Path) -> None:
    (folder / "data.new" / "rest").mkdir(parents=True)
    broker = EmbeddedKafka(folder, port=free_port(), megabytes=256)
    broker.start()
    try:
        assert broker.alive()
    finally:
        broker.kill()


def test_output_goes_to_its_log_and_a_failed_start_reports_the_last_lines(folder: Path) -> None:
    broker = EmbeddedKafka(folder, settings={"authorizer.class.name": "no.such.Class"}, port=free_port())
    with pytest.raises(ServerError, match=r"(?s)did not start.*no\.such\.Class.*kafka\.log"):
        broker.start()
    assert not broker.alive()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_inherits_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables():
        monkeypatch.setenv(name, "canary")
    with own_kafka() as broker:
        environment = environment_of(broker)
    assert "PATH" in environment
    assert "canary" not in "".join(environment.values())


def test_a_taken_port_is_named(kafka: EmbeddedKafka, folder: Path) -> None:
    port = int(kafka.address.rpartition(":")[2])
    with pytest.raises(ServerError, match=f"port {port} is taken"):
        EmbeddedKafka(folder, port=port).start()


def test_without_java_it_says_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", NO_PROGRAMS)
    with pytest.raises(ServerError, match=r"needs Java 17 or later, and there is none here\. Debian.*apt install"):
        EmbeddedKafka(folder).start()


def test_an_old_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ServerError, match=r"Java 17 or later, and .*bin/java is not"):
        kafka_jars.java()


def test_without_maven_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", NO_PROGRAMS)
    with pytest.raises(ServerError, match=r"there is no `mvn` here\. Debian"):
        kafka_jars.jars()


def test_the_error_of_maven_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mvn"
    program.write_text('#!/bin/sh\necho "no route to host, $MAVEN_OPTS"\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match=rf"(?s)could not download.*no route to host, .*-Duser\.home={Path.home()}"):
        kafka_jars.jars()
    assert not list((tmp_path / "cache" / "palimpsest").glob("kafka-*/*.jar"))


def test_settings_log_in_to_a_broker_that_requires_authentication(folder: Path) -> None:
    clear = {"listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"}
    with own_kafka(folder, **LOGIN, **clear) as broker:
        settings = KafkaSettings.model_validate(
            {
                "KAFKA_BOOTSTRAP_SERVERS": broker.address,
                "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                "KAFKA_SASL_USERNAME": "app",
                "KAFKA_SASL_PASSWORD": "canary",
            }
        )
        with closing(KafkaAdminClient(**connection(settings))) as admin:
            assert admin.list_topics() == []


def test_settings_log_in_to_a_broker_behind_tls(folder: Path) -> None:
    certificate, key = certificate_of("127.0.0.1")
    (folder / "broker.pem").write_bytes(key + certificate)
    (folder / "ca.pem").write_bytes(certificate)
    tls = {
        "listener.security.protocol.map": "PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
    }
    with own_kafka(folder / "kafka", **LOGIN, **tls) as broker:
        settings = KafkaSettings.model_validate(
            {
                "KAFKA_BOOTSTRAP_SERVERS": broker.address,
                "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
                "KAFKA_SASL_USERNAME": "app",
                "KAFKA_SASL_PASSWORD": "canary",
                "KAFKA_SSL_CAFILE": folder / "ca.pem",
            }
        )
        with closing(KafkaAdminClient(**connection(settings))) as admin:
            assert admin.list_topics() == []


def certificate_of(address: str) -> tuple[bytes, bytes]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), key.private_bytes(*form)


def test_of_three_brokers_one_may_be_missing() -> None:
    with three_brokers() as brokers:
        make_topic(brokers.address, copies=3)
        write(brokers.address, b"one")
        gone = leader(brokers)
        gone.kill()
        write(brokers.address, b"two")
        gone.start()
        write(brokers.address, b"three")
        assert written(brokers.address) == [b"one", b"two", b"three"]


def leader(brokers: Brokers) -> EmbeddedKafka:
    with closing(KafkaAdminClient(**client(brokers.address))) as admin:
        (topic,) = admin.describe_topics([TOPIC])
    number = topic["partitions"][0]["leader_id"]
    return next(node for node in brokers.nodes if node.node == number)
