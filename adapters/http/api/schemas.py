"""Schemas that requests share: strict bodies, pages of lists."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidatorFunctionWrapHandler, field_validator
from pydantic_core import PydanticCustomError

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


def spelled_plainly(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Validate a text of a path or a query; refuse a spelling that only Python reads as a number, truth value or id.

    Raises:
        PydanticCustomError: it is another spelling than that in JSON.
    """
    found = validate(value)
    if isinstance(value, str) and isinstance(found, bool | int | UUID):
        plain = str(found) if isinstance(found, int) and not isinstance(found, bool) else str(found).lower()
        if plain != (value.lower() if isinstance(found, UUID) else value):
            raise PydanticCustomError(
                "spelling", "Input should be digits without signs, spaces or leading zeros; true or false; or a UUID"
            )
    return found


class QueryParameters(BaseModel):
    """The query of a request: unknown parameters are refused, and odd spellings."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    _spelled_plainly = field_validator("*", mode="wrap")(spelled_plainly)


class PageQuery(QueryParameters):
    """The page of a list to return."""

    cursor: Annotated[
        str | None, Field(max_length=2_000, description="The `next` of the previous page; without it, the first page.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="The maximum number of items.")] = DEFAULT_LIMIT
