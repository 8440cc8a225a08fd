"""The installation as a whole."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from infra.settings.subject import Subject
from infra.settings.tls import SERVER_TLS

DEFAULT_DATA_DIR = Path(".palimpsest")


class InstallationSettings(Subject):
    """Purpose and place of this installation."""

    environment: Literal["development", "test", "production"] = Field(
        "development",
        validation_alias="PALIMPSEST_ENVIRONMENT",
        description="Purpose of this installation; appears in logs",
    )
    data_dir: Path = Field(
        DEFAULT_DATA_DIR,
        validation_alias="PALIMPSEST_DATA_DIR",
        description="Folder where `palimpsest up` keeps servers, keys and logs",
    )
    server_tls: Literal["required", "optional"] = Field(
        "required",
        validation_alias=SERVER_TLS,
        description="TLS to PostgreSQL, Redis and Kafka on other machines; optional: the network itself is safe",
    )
