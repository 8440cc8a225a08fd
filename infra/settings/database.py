"""PostgreSQL: the address that a process has, and the parts whose roles they take on."""

from typing import Annotated, Literal, get_args

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from infra.settings.subject import Subject, url_check
from infra.settings.tls import require_tls

VERIFYING = ("verify-ca", "verify-full")
"""Values of `sslmode` that verify the server's certificate."""

Part = Literal["owner", "api", "projector", "relay", "worker", "sealer", "auditor"]
"""A part of the service with a database role of its own. `owner`: owns the schema, for `palimpsest migrate`."""

PARTS: tuple[Part, ...] = get_args(Part)


def role_of(part: Part) -> str:
    """The database role of a part."""
    return f"palimpsest_{part}"


def _readable_by_driver(value: SecretStr) -> SecretStr:
    """Parse the address as the driver does. The driver's own error would quote it."""
    try:
        conninfo_to_dict(value.get_secret_value())
    except psycopg.ProgrammingError:
        raise ValueError(
            "cannot be read by PostgreSQL (percent-encode special characters in user and password)"
        ) from None
    return value


def _encrypted(value: SecretStr, info: ValidationInfo) -> SecretStr:
    # Variables such as PGHOST count where the address says nothing. A service file is not read: it may name any host.
    defaults = {option.keyword.decode(): (option.val or b"").decode() for option in Conninfo.get_defaults()}
    parameters = {**defaults, **conninfo_to_dict(value.get_secret_value())}
    hosts = str(parameters["hostaddr"] or parameters["host"] or parameters["service"] or "").split(",")
    # `sslrootcert=system` finds nothing: the bundled libpq looks in a folder of its own.
    advice = "add sslmode=verify-full and sslrootcert=FILE (authorities, e.g. /etc/ssl/certs/ca-certificates.crt)"
    require_tls(info, hosts, verified=parameters["sslmode"] in VERIFYING, advice=advice)
    return value


PostgresUrl = Annotated[
    SecretStr,
    AfterValidator(url_check("postgresql", "postgres")),
    AfterValidator(_readable_by_driver),
    AfterValidator(_encrypted),
]


class DatabaseSettings(Subject):
    """The address of the database and the size of the connection pool."""

    url: PostgresUrl = Field(
        validation_alias="DATABASE_URL",
        description="PostgreSQL 14 or later, with a login that may take on the role of the process",
    )
    pool_size: int = Field(
        16, ge=2, le=500, validation_alias="PALIMPSEST_DB_POOL_SIZE", description="Maximum connections of a process"
    )


class OwnerSettings(Subject):
    """The address for commands that change or check the schema or the keys (`migrate`, `up`, `keys`, `doctor`)."""

    url: PostgresUrl = Field(
        validation_alias="DATABASE_ADMIN_URL",
        description="The same database with a login that may take on palimpsest_owner; default: DATABASE_URL",
    )
