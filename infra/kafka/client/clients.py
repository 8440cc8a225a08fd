"""How our clients reach Kafka: kafka-python's arguments, from the settings.

Its clients block, so they live in threads: a producer may be shared between them, a consumer belongs to one.
"""

from typing import Any

from infra.errors import SetupError
from infra.kafka.client.topics import Topics
from infra.settings.model import Settings


class NoKafka(SetupError):
    """No broker is named."""


def connection(settings: Settings) -> dict[str, Any]:
    """The arguments that producer, consumer and admin client have in common. They hold the password: never log them.

    Raises:
        NoKafka: KAFKA_BOOTSTRAP_SERVERS is not set.
    """
    if settings.kafka_bootstrap_servers is None:
        raise NoKafka(
            "KAFKA_BOOTSTRAP_SERVERS is not set. Set it to brokers that run (host:port,...), or start one with "
            "`palimpsest kafka` or `palimpsest up --kafka`."
        )
    protocol = settings.kafka_security_protocol
    found: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers.split(","),
        "security_protocol": protocol,
        "client_id": "palimpsest",
    }
    if protocol.startswith("SASL_"):
        found |= _login(settings)
    if protocol.endswith("SSL"):
        found |= _certificates(settings)
    return found


def topics(settings: Settings) -> Topics:
    """The topics of this installation."""
    return Topics(settings.kafka_prefix, settings.kafka_partitions, settings.kafka_replication)


def _login(settings: Settings) -> dict[str, Any]:
    assert settings.kafka_sasl_password
    return {
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
    }


def _certificates(settings: Settings) -> dict[str, Any]:
    files = {name: getattr(settings, f"kafka_{name}") for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile")}
    return {name: str(path) for name, path in files.items() if path}
