"""Settings for kafka-python's clients, derived from the application's settings.

These clients block, so they run in threads. Threads may share a producer; a consumer belongs to one thread.
"""

from typing import Any

from infra.errors import SetupError
from infra.kafka.client.topics import Topics
from infra.settings.model import Settings

KafkaSettings = dict[str, Any]
"""Keyword arguments that kafka-python's producer, consumer and admin client share: addresses and credentials."""


class NoKafka(SetupError):
    """No broker is configured."""


def connection(settings: Settings) -> KafkaSettings:
    """Build the arguments that every client needs to connect. They hold the password: never log them.

    Raises:
        NoKafka: KAFKA_BOOTSTRAP_SERVERS is not set.
    """
    if settings.kafka_bootstrap_servers is None:
        raise NoKafka(
            "KAFKA_BOOTSTRAP_SERVERS is not set. Set it to brokers that run (host:port,...), or start one with "
            "`palimpsest kafka` or `palimpsest up --kafka`."
        )
    protocol = settings.kafka_security_protocol
    config: KafkaSettings = {
        "bootstrap_servers": settings.kafka_bootstrap_servers.split(","),
        "security_protocol": protocol,
        "client_id": "palimpsest",
    }
    if protocol.startswith("SASL_"):
        config |= _login(settings)
    if protocol.endswith("SSL"):
        config |= _certificates(settings)
    return config


def topics(settings: Settings) -> Topics:
    """The topics of this installation."""
    return Topics(settings.kafka_prefix, settings.kafka_partitions, settings.kafka_replication)


def _login(settings: Settings) -> KafkaSettings:
    assert settings.kafka_sasl_password
    return {
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
    }


def _certificates(settings: Settings) -> KafkaSettings:
    files = {name: getattr(settings, f"kafka_{name}") for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile")}
    return {name: str(path) for name, path in files.items() if path}
