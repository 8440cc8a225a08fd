"""Schemas that requests share: strict bodies, pages of lists."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from projections.page import DEFAULT_LIMIT, MAX_LIMIT

Email = Annotated[str, Field(min_length=3, max_length=254, json_schema_extra={"format": "email"})]


MAX_CHARACTER_BYTES = 12
"""The most bytes that JSON takes for a character: outside the basic plane, escaped (RFC 8259, 7)."""


class Body(BaseModel):
    """A request body: unknown fields are refused, and no value is converted from another type.

    `MAX_BYTES` is the limit of the body. Whatever the schema allows must fit, in any escaping (a test measures it).
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    MAX_BYTES: ClassVar[int] = 16_384


class PageQuery(BaseModel):
    """The page of a list to return."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    cursor: Annotated[
        str | None, Field(max_length=2_000, description="The `next` of the previous page; without it, the first page.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="The maximum number of items.")] = DEFAULT_LIMIT
