"""Kafka: brokers, login, certificates and topics."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, FilePath, SecretStr, ValidationInfo

from infra.settings.subject import Subject
from infra.settings.tls import require_tls


def _host_ports(value: str) -> str:
    servers = [server.strip() for server in value.split(",")]
    if not all(map(_is_host_port, servers)):
        raise ValueError("is not a list like broker1:9092,broker2:9092")
    return ",".join(servers)


def _is_host_port(server: str) -> bool:
    host, _, port = server.rpartition(":")
    return bool(host) and not set("@/") & set(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536


def _required_by_sasl(value: Any, info: ValidationInfo) -> Any:
    protocol = info.data.get("security_protocol", "")
    if value is None and protocol.startswith("SASL_"):
        raise ValueError(f"is not set, and KAFKA_SECURITY_PROTOCOL={protocol} needs it.")
    return value


def _required_by_certificate(value: Any, info: ValidationInfo) -> Any:
    if value is None and info.data.get("ssl_certfile"):
        raise ValueError("is not set, and KAFKA_SSL_CERTFILE needs it.")
    return value


def _encrypted(value: str, info: ValidationInfo) -> str:
    hosts = [server.rpartition(":")[0] for server in (info.data.get("bootstrap_servers") or "").split(",")]
    require_tls(info, hosts, verified=value.endswith("SSL"), advice="use SSL or SASL_SSL")
    return value


class KafkaSettings(Subject):
    """How to reach the brokers, and how the topics are named and spread."""

    bootstrap_servers: Annotated[str, AfterValidator(_host_ports)] | None = Field(
        None, validation_alias="KAFKA_BOOTSTRAP_SERVERS", description="Kafka's brokers, host:port,...; none: no stream"
    )
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], AfterValidator(_encrypted)
    ] = Field(
        "PLAINTEXT",
        validation_alias="KAFKA_SECURITY_PROTOCOL",
        validate_default=True,
        description="Protocol of Kafka's brokers",
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", validation_alias="KAFKA_SASL_MECHANISM", description="Login method, if the protocol is SASL_..."
    )
    sasl_username: Annotated[str | None, AfterValidator(_required_by_sasl)] = Field(
        None, validation_alias="KAFKA_SASL_USERNAME", validate_default=True, description="Kafka user"
    )
    sasl_password: Annotated[SecretStr | None, AfterValidator(_required_by_sasl)] = Field(
        None, validation_alias="KAFKA_SASL_PASSWORD", validate_default=True, description="Password of the Kafka user"
    )
    ssl_cafile: FilePath | None = Field(
        None,
        validation_alias="KAFKA_SSL_CAFILE",
        description="Certificate authorities to trust (PEM); none: those of the system",
    )
    ssl_certfile: FilePath | None = Field(
        None, validation_alias="KAFKA_SSL_CERTFILE", description="Client certificate (PEM), if Kafka requires one"
    )
    ssl_keyfile: Annotated[FilePath | None, AfterValidator(_required_by_certificate)] = Field(
        None,
        validation_alias="KAFKA_SSL_KEYFILE",
        validate_default=True,
        description="Private key of the client certificate (PEM)",
    )
    prefix: str = Field(
        "palimpsest",
        pattern=r"^[a-zA-Z0-9._-]{1,100}$",
        validation_alias="PALIMPSEST_KAFKA_PREFIX",
        description="Prefix of the topic names",
    )
    partitions: int = Field(
        8,
        ge=1,
        le=1000,
        validation_alias="PALIMPSEST_KAFKA_PARTITIONS",
        description="Partitions of each topic; must not change once there are events",
    )
    replication: int = Field(
        1,
        ge=1,
        le=10,
        validation_alias="PALIMPSEST_KAFKA_REPLICATION",
        description="Copies of each partition; 3 on a cluster of 3 or more brokers",
    )
