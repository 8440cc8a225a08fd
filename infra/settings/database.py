"""PostgreSQL."""

from typing import Annotated

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, Field, SecretStr

from infra.settings.subject import Subject, url_check


def _readable_by_driver(value: SecretStr) -> SecretStr:
    """Parse the address as the driver does. The driver's own error would quote it."""
    try:
        conninfo_to_dict(value.get_secret_value())
    except psycopg.ProgrammingError:
        raise ValueError(
            "cannot be read by PostgreSQL (percent-encode special characters in user and password)"
        ) from None
    return value


PostgresUrl = Annotated[
    SecretStr, AfterValidator(url_check("postgresql", "postgres")), AfterValidator(_readable_by_driver)
]


class DatabaseSettings(Subject):
    """Addresses of the database and the size of the connection pool."""

    url: PostgresUrl = Field(validation_alias="DATABASE_URL", description="PostgreSQL 14 or later")
    admin_url: PostgresUrl = Field(
        default_factory=lambda known: known.get("url"),
        validation_alias="DATABASE_ADMIN_URL",
        description="The same database with a role that may change the schema, for `migrate`; default: DATABASE_URL",
    )
    pool_size: int = Field(
        16, ge=2, le=500, validation_alias="PALIMPSEST_DB_POOL_SIZE", description="Maximum connections of a process"
    )
