"""The audit tree, with which others can check the history."""

from pydantic import Field

from infra.settings.subject import Subject

DEFAULT_ORIGIN = "palimpsest.localhost/log"


class AuditSettings(Subject):
    """The name of the log. Checkpoints and the key of the log carry it for ever."""

    origin: str = Field(
        DEFAULT_ORIGIN,
        max_length=200,
        pattern=r"^[^\s+]+$",
        validation_alias="PALIMPSEST_LOG_ORIGIN",
        description="Name of the log, like api.example.com/v1/log; must not change once there are checkpoints",
    )
