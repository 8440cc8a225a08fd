"""The policies of the worker."""

from typing import Literal

from pydantic import Field

from infra.settings.subject import Subject


class PolicySettings(Subject):
    """Source of the policies' events."""

    feed: Literal["store", "kafka"] = Field(
        "store", validation_alias="PALIMPSEST_POLICY_FEED", description="Where policies read events from"
    )
