"""How our clients reach Kafka: kafka-python's arguments, from the settings.

Its clients block, so they live in threads: a producer may be shared between them, a consumer belongs to one.
"""

from typing import Any

from infra.errors import SetupError
from infra.kafka.client.topics import Topics
from infra.settings.kafka import KafkaSettings


class NoKafka(SetupError):
    """No broker is named."""


def connection(kafka: KafkaSettings) -> dict[str, Any]:
    """The arguments that producer, consumer and admin client have in common. They hold the password: never log them.

    Raises:
        NoKafka: KAFKA_BOOTSTRAP_SERVERS is not set.
    """
    if kafka.bootstrap_servers is None:
        raise NoKafka(
            "KAFKA_BOOTSTRAP_SERVERS is not set. Set it to brokers that run (host:port,...), or start one with "
            "`palimpsest kafka` or `palimpsest up --kafka`."
        )
    protocol = kafka.security_protocol
    found: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers.split(","),
        "security_protocol": protocol,
        "client_id": "palimpsest",
    }
    if protocol.startswith("SASL_"):
        found |= _login(kafka)
    if protocol.endswith("SSL"):
        found |= _certificates(kafka)
    return found


def topics(kafka: KafkaSettings) -> Topics:
    """The topics of this installation."""
    return Topics(kafka.prefix, kafka.partitions, kafka.replication)


def _login(kafka: KafkaSettings) -> dict[str, Any]:
    assert kafka.sasl_password
    return {
        "sasl_mechanism": kafka.sasl_mechanism,
        "sasl_plain_username": kafka.sasl_username,
        "sasl_plain_password": kafka.sasl_password.get_secret_value(),
    }


def _certificates(kafka: KafkaSettings) -> dict[str, Any]:
    files = {name: getattr(kafka, name) for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile")}
    return {name: str(path) for name, path in files.items() if path}
