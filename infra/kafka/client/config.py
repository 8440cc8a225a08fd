"""Settings for kafka-python's clients, derived from the application's settings.

These clients block, so they run in threads. Threads may share a producer; a consumer belongs to one thread.
"""

from typing import Any

from infra.errors import SetupError
from infra.kafka.client.topics import Topics
from infra.settings.kafka import KafkaSettings

ClientConfig = dict[str, Any]
"""Keyword arguments that kafka-python's producer, consumer and admin client share: addresses and credentials."""


class NoKafka(SetupError):
    """No broker is configured."""


def connection(kafka: KafkaSettings) -> ClientConfig:
    """Build the arguments that every client needs to connect. They hold the password: never log them.

    Raises:
        NoKafka: KAFKA_BOOTSTRAP_SERVERS is not set.
    """
    if kafka.bootstrap_servers is None:
        raise NoKafka(
            "KAFKA_BOOTSTRAP_SERVERS is not set. Set it to brokers that run (host:port,...), or start one with "
            "`palimpsest kafka` or `palimpsest up --kafka`."
        )
    protocol = kafka.security_protocol
    config: ClientConfig = {
        "bootstrap_servers": kafka.bootstrap_servers.split(","),
        "security_protocol": protocol,
        "client_id": "palimpsest",
    }
    if protocol.startswith("SASL_"):
        config |= _login(kafka)
    if protocol.endswith("SSL"):
        config |= _certificates(kafka)
    return config


def topics(kafka: KafkaSettings) -> Topics:
    """The topics of this installation."""
    return Topics(kafka.prefix, kafka.partitions, kafka.replication)


def _login(kafka: KafkaSettings) -> ClientConfig:
    assert kafka.sasl_password
    return {
        "sasl_mechanism": kafka.sasl_mechanism,
        "sasl_plain_username": kafka.sasl_username,
        "sasl_plain_password": kafka.sasl_password.get_secret_value(),
    }


def _certificates(kafka: KafkaSettings) -> ClientConfig:
    files = {name: getattr(kafka, name) for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile")}
    return {name: str(path) for name, path in files.items() if path}
