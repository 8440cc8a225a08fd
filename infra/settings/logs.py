"""Logs."""

from typing import Literal

from pydantic import Field

from infra.settings.subject import Subject


class LogSettings(Subject):
    """Level and form of log lines."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias="PALIMPSEST_LOG_LEVEL", description="Lowest level that is logged"
    )
    format: Literal["auto", "json", "console"] = Field(
        "auto",
        validation_alias="PALIMPSEST_LOG_FORMAT",
        description="Form of log lines; auto: console on a terminal, else JSON",
    )
