"""What request bodies have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A body: nothing but what is named here, and nothing converted from another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def shown(example: dict[str, Any]) -> ConfigDict:
    """The configuration that shows an example in OpenAPI."""
    return ConfigDict(json_schema_extra={"examples": [example]})
