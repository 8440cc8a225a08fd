"""What requests have in common: strict bodies, pages of lists."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from projections.page import DEFAULT_LIMIT, MAX_LIMIT

Email = Annotated[str, Field(min_length=3, max_length=254, json_schema_extra={"format": "email"})]


class Body(BaseModel):
    """A body: nothing but what is named here, and nothing converted from another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def shown(example: dict[str, Any]) -> ConfigDict:
    """The configuration that shows an example in OpenAPI."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    cursor: Annotated[
        str | None, Field(max_length=2_000, description="As it came as `next` with a page; the first page without it.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Items of a page, at most.")] = DEFAULT_LIMIT
