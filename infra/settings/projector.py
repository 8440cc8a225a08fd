"""The projector."""

from typing import Literal

from pydantic import Field

from infra.settings.subject import Subject


class ProjectorSettings(Subject):
    """Source of the projector's events."""

    feed: Literal["store", "kafka"] = Field(
        "store", validation_alias="PALIMPSEST_FEED", description="Where projectors read events from"
    )
