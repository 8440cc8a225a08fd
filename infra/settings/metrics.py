"""Metrics."""

from pydantic import Field

from infra.settings.subject import Subject


class MetricsSettings(Subject):
    """Address of a process's metrics."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        validation_alias="PALIMPSEST_METRICS_HOST",
        description="Address the metrics are served on",
    )
    port: int = Field(
        9464,
        ge=0,
        le=65535,
        validation_alias="PALIMPSEST_METRICS_PORT",
        description="Port the metrics are served on; 0: no metrics",
    )
