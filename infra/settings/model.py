"""What can be set, from the environment or from the files that `palimpsest up` keeps in its data folder.

The environment wins. A wrong value is an error that names the variable, says what is wrong and never shows a secret.
"""

import json
import os
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, BeforeValidator, Field, FilePath, SecretStr, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from infra.errors import SetupError

SECRETS_FILE = "secrets.env"
"""Keys that `palimpsest up` made at its first start. Whoever loses them loses the data."""

SERVERS_FILE = "servers.env"
"""Addresses of what `palimpsest up` started last: the embedded servers and the API."""

FILES = (SERVERS_FILE, SECRETS_FILE)


S = TypeVar("S", bound="Settings")


class SettingsError(SetupError):
    """Some settings are wrong; the message has a line for each."""


def _url(*schemes: str) -> Callable[[SecretStr], SecretStr]:
    def check(value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        try:
            parts = urlsplit(url)
            complete = parts.scheme in schemes and bool(parts.hostname or parts.query) and parts.port != 0
            clear = "#" not in url and url.count("@") == parts.netloc.count("@") <= 1
        except ValueError:
            complete = clear = False
        if not (complete and clear):  # a password read as something else would be shown as something else
            raise ValueError(
                f"is not an address like {schemes[0]}://user:password@host:port/name "
                "(percent-encode what is special in user or password)"
            )
        return value

    return check


def _postgres_url(value: SecretStr) -> SecretStr:
    """Read as the driver reads it, whose own words would quote it."""
    try:
        conninfo_to_dict(value.get_secret_value())
    except psycopg.ProgrammingError:
        raise ValueError("cannot be read by PostgreSQL (percent-encode what is special in user or password)") from None
    return value


def _key_of_32_bytes(value: SecretStr) -> SecretStr:
    try:
        size = len(b64decode(value.get_secret_value(), validate=True))
    except ValueError:
        raise ValueError("is not base64. Make one with: openssl rand -base64 32") from None
    if size != 32:
        raise ValueError(f"holds {size} bytes, not 32. Make one with: openssl rand -base64 32")
    return value


def _ed25519_jwk(value: SecretStr) -> SecretStr:
    try:
        jwk = json.loads(value.get_secret_value())
        private, public = (urlsafe_b64decode(jwk[part] + "==") for part in ("d", "x"))
        known = (jwk["kty"], jwk["crv"]) == ("OKP", "Ed25519") and bool(jwk["kid"])
        fits = known and Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw() == public
    except (ValueError, TypeError, KeyError):
        fits = False
    if not fits:
        raise ValueError(
            "is not the JWK of an Ed25519 private key with 'kty', 'crv', 'kid', 'x' and 'd'. "
            "Make one with: palimpsest new-keys"
        )
    return value


def _host_ports(value: str) -> str:
    """Kafka's way to name servers."""
    for server in value.split(","):
        host, _, port = server.strip().rpartition(":")
        if not (
            host and "@" not in host and "/" not in host and port.isascii() and port.isdigit() and 0 < int(port) < 65536
        ):
            raise ValueError("is not a list like broker1:9092,broker2:9092")
    return ",".join(server.strip() for server in value.split(","))


def _given_with_sasl(value: Any, info: ValidationInfo) -> Any:
    protocol = info.data.get("kafka_security_protocol", "")
    if value is None and protocol.startswith("SASL_"):
        raise ValueError(f"is not set, and KAFKA_SECURITY_PROTOCOL={protocol} needs it.")
    return value


def _not_in_clear(value: str, info: ValidationInfo) -> str:
    """Within the machine nobody listens."""
    hosts = [server.rpartition(":")[0] for server in (info.data.get("kafka_bootstrap_servers") or "").split(",")]
    if value == "SASL_PLAINTEXT" and not all(host in ("", "127.0.0.1", "localhost", "[::1]") for host in hosts):
        raise ValueError("would send the password in clear to another machine; use SASL_SSL.")
    return value


def _given_with_certificate(value: Any, info: ValidationInfo) -> Any:
    if value is None and info.data.get("kafka_ssl_certfile"):
        raise ValueError("is not set, and KAFKA_SSL_CERTFILE needs it.")
    return value


def _origins(value: Any) -> Any:
    return [origin.strip() for origin in value.split(",") if origin.strip()] if isinstance(value, str) else value


def _origin_list(value: list[str]) -> list[str]:
    for origin in value:
        parts = urlsplit(origin)
        if origin != "*" and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path):
            raise ValueError(f"has '{origin}', which is not an origin like https://app.example.com")
    return value


PostgresUrl = Annotated[SecretStr, AfterValidator(_url("postgresql", "postgres")), AfterValidator(_postgres_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_url("redis", "rediss"))]
Key = Annotated[SecretStr, AfterValidator(_key_of_32_bytes)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """Every setting, checked. Fields without a default must be set, unless `palimpsest up` sets them."""

    model_config = SettingsConfigDict(
        env_prefix="PALIMPSEST_",
        extra="ignore",
        env_ignore_empty=True,
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    environment: Literal["development", "test", "production"] = Field(
        "development", description="What this installation is for; shown in logs"
    )
    data_dir: Path = Field(Path(".palimpsest"), description="Where `palimpsest up` keeps servers, keys and logs")

    database_url: PostgresUrl = Field(validation_alias="DATABASE_URL", description="PostgreSQL 14 or later")
    database_admin_url: PostgresUrl = Field(
        default_factory=lambda known: known.get("database_url"),
        validation_alias="DATABASE_ADMIN_URL",
        description="The same database as a role that may change the schema, for `migrate`; DATABASE_URL if not set",
    )
    db_pool_size: int = Field(16, ge=2, le=500, description="Connections a process opens at most")
    redis_url: RedisUrl | None = Field(None, validation_alias="REDIS_URL", description="Redis; none: no cache")

    kafka_bootstrap_servers: Annotated[str, AfterValidator(_host_ports)] | None = Field(
        None, validation_alias="KAFKA_BOOTSTRAP_SERVERS", description="Kafka's brokers, host:port,...; none: no stream"
    )
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], AfterValidator(_not_in_clear)
    ] = Field("PLAINTEXT", validation_alias="KAFKA_SECURITY_PROTOCOL", description="How Kafka's brokers are spoken to")
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", validation_alias="KAFKA_SASL_MECHANISM", description="How to log in to Kafka, if SASL is spoken"
    )
    kafka_sasl_username: Annotated[str | None, AfterValidator(_given_with_sasl)] = Field(
        None, validation_alias="KAFKA_SASL_USERNAME", validate_default=True, description="Kafka's user"
    )
    kafka_sasl_password: Annotated[SecretStr | None, AfterValidator(_given_with_sasl)] = Field(
        None, validation_alias="KAFKA_SASL_PASSWORD", validate_default=True, description="The password of Kafka's user"
    )
    kafka_ssl_cafile: FilePath | None = Field(
        None, validation_alias="KAFKA_SSL_CAFILE", description="Whom to trust (PEM); none: whom the system trusts"
    )
    kafka_ssl_certfile: FilePath | None = Field(
        None, validation_alias="KAFKA_SSL_CERTFILE", description="Our certificate (PEM), where Kafka asks for one"
    )
    kafka_ssl_keyfile: Annotated[FilePath | None, AfterValidator(_given_with_certificate)] = Field(
        None, validation_alias="KAFKA_SSL_KEYFILE", validate_default=True, description="Its private key (PEM)"
    )
    kafka_prefix: str = Field(
        "palimpsest", pattern=r"^[a-zA-Z0-9._-]{1,100}$", description="What the names of our topics begin with"
    )
    kafka_partitions: int = Field(8, ge=1, le=1000, description="Partitions of each topic; never change it later")
    kafka_replication: int = Field(1, ge=1, le=10, description="Copies of each partition; 3 where there are 3 brokers")
    feed: Literal["store", "kafka"] = Field("store", description="Where projectors get events from")

    host: str = Field("127.0.0.1", min_length=1, description="Address the API listens on")
    port: Port = Field(8000, description="Port the API listens on")
    public_url: str = Field(
        "http://localhost:8000",
        pattern=r"^https?://[^\s?#]+$",
        description="Where clients reach the API; records of the published stream name their schemas there",
    )
    metrics_host: str = Field("127.0.0.1", min_length=1, description="Address the metrics are served on")
    metrics_port: int = Field(9464, ge=0, le=65535, description="Port the metrics are served on; 0: nowhere")
    cors_origins: Annotated[list[str], NoDecode, BeforeValidator(_origins), AfterValidator(_origin_list)] = Field(
        default=[], description="Web origins that may call the API, separated by commas"
    )
    max_body_bytes: int = Field(10_000_000, ge=1_000, description="Largest request body")
    read_wait_max: float = Field(5.0, ge=0, le=60, description="Seconds a read may wait for a Consistency-Token")

    key_encryption_key: Key = Field(description="Wraps the keys that seal personal data: 32 bytes, base64")
    key_encryption_key_id: str = Field("1", min_length=1, max_length=64, description="Names the key above")
    blind_index_key: Key = Field(description="Makes blind indexes of unique values: 32 bytes, base64")
    token_signing_key: Annotated[SecretStr, AfterValidator(_ed25519_jwk)] = Field(
        description="Signs access tokens: the JWK of an Ed25519 private key, with a 'kid'"
    )
    token_ttl: int = Field(3600, ge=900, le=3600, description="Seconds an access token is good for")
    token_issuer: str = Field("palimpsest", min_length=1, description="Who issues access tokens ('iss')")
    token_audience: str = Field("palimpsest", min_length=1, description="Whom access tokens are for ('aud')")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="How logs look; auto: console on a terminal, JSON elsewhere"
    )


class ReaderSettings(Settings):
    """The settings of a process that reads the published stream and nothing else: it needs no database and no keys."""

    database_url: PostgresUrl | None = Field(None, validation_alias="DATABASE_URL")  # type: ignore[assignment]
    database_admin_url: PostgresUrl | None = Field(  # type: ignore[assignment]
        None, validation_alias="DATABASE_ADMIN_URL"
    )
    key_encryption_key: Key | None = None  # type: ignore[assignment]
    blind_index_key: Key | None = None  # type: ignore[assignment]
    token_signing_key: SecretStr | None = None  # type: ignore[assignment]


def load(data_dir: Path | None = None, *, files: Sequence[str] = FILES, **overrides: Any) -> Settings:
    """The settings of this process; `overrides` win over everything, None means not given.

    `files` of the data folder are read; the environment wins over them.

    Raises `SettingsError`.
    """
    return _load(Settings, data_dir, files, overrides)


def load_for_reading() -> ReaderSettings:
    """The settings of a process that only reads the published stream. Raises `SettingsError`."""
    return _load(ReaderSettings, None, FILES, {})


def _load(kind: type[S], data_dir: Path | None, files: Sequence[str], overrides: Mapping[str, Any]) -> S:
    given = {name: value for name, value in {"data_dir": data_dir, **overrides}.items() if value is not None}
    folder = data_dir or folder_from_environment()
    try:
        return kind(**{"_env_file": [folder / name for name in files], **given})
    except ValidationError as error:
        raise SettingsError("\n".join(_lines(error))) from None


def folder_from_environment() -> Path:
    """The data folder, which must be known before the settings that lie in it."""
    return Path(os.environ.get(variable("data_dir")) or Settings.model_fields["data_dir"].default)


def variable(field: str) -> str:
    """The environment variable of a field."""
    return str(Settings.model_fields[field].validation_alias or f"PALIMPSEST_{field.upper()}")


def misspelt() -> Iterator[str]:
    """A sentence for each variable of the environment that looks like a setting and is none."""
    prefix = Settings.model_config["env_prefix"]
    known = {variable(field).removeprefix(prefix): variable(field) for field in Settings.model_fields}
    for name in os.environ:
        bare = name.upper().removeprefix(prefix)
        if bare != name.upper() and f"{prefix}{bare}" not in known.values():
            meant = "".join(f"; {known[close]} is" for close in get_close_matches(bare, known, 1))
            yield f"{name} is not a setting{meant}."


def shown(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Variable, value and description of every setting, with secrets masked."""
    for name, field in Settings.model_fields.items():
        yield variable(name), _masked(getattr(settings, name)), field.description or ""


def without_password(url: SecretStr) -> str:
    """An address that may be shown."""
    parts = urlsplit(url.get_secret_value())
    user, colon, _ = parts.netloc.rpartition("@")[0].partition(":")
    host = parts.netloc.rpartition("@")[2]
    query = "****" if "password" in parts.query else parts.query
    return urlunsplit(parts._replace(netloc=f"{user}:****@{host}" if colon else parts.netloc, query=query))


def _masked(value: Any) -> str:
    if isinstance(value, SecretStr):
        return without_password(value) if "://" in value.get_secret_value() else "****"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "none" if value is None else str(value)


def _lines(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        if problem["type"] != "default_factory_not_called":  # it follows from another one
            yield f"{_name_of(problem)} {_words_for(problem)}"


def _name_of(problem: ErrorDetails) -> str:
    name = str(problem["loc"][0])
    return variable(name) if name in Settings.model_fields else name


def _words_for(problem: ErrorDetails) -> str:
    if problem["type"] == "missing":
        return "is not set. Set it, or start with `palimpsest up`, which sets it."
    if problem["type"] == "value_error":
        return problem["msg"].removeprefix("Value error, ")
    return f"is wrong: {problem['msg'][0].lower()}{problem['msg'][1:]}."
