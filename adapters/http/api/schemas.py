"""Schemas that requests share: strict bodies, pages of lists."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import PydanticCustomError

from application.ports import HistoryFilter
from projections.page import DEFAULT_LIMIT, MAX_LIMIT

Email = Annotated[str, Field(min_length=3, max_length=254, json_schema_extra={"format": "email"})]

OwnEmail = Annotated[Email, Field(examples=["ada@example.org"])]

Password = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        json_schema_extra={"format": "password"},
        examples=["umber cartwheel tenfold mist"],
    ),
]

MAX_CHARACTER_BYTES = 12
"""The most bytes that JSON takes for a character: outside the basic plane, escaped (RFC 8259, 7)."""


MANY_BYTES = 98_304
"""The limit of a body about many things: 50 addresses, or 100 ids, in any escaping."""

MAX_VERSION = 999_999_999
"""More versions than a document can have."""
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")
"""RFC 3339, 5.6, in the case that it recommends."""


class Body(BaseModel):
    """A request body: unknown fields are refused, and no value is converted from another type.

    `MAX_BYTES` is the limit of the body. Whatever the schema allows must fit, in any escaping (a test measures it).
    `MEDIA_TYPE`: of bodies of this kind; as JSON, any other type that ends in `+json` is taken, too.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    MAX_BYTES: ClassVar[int] = 16_384
    MEDIA_TYPE: ClassVar[str] = "application/json"


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


def spelled_as_moment(value: Any) -> Any:
    """Refuse what only Python reads as a time: seconds since 1970, a date without a time.

    Raises:
        PydanticCustomError: the text is not a time as in RFC 3339.
    """
    if not isinstance(value, str) or not MOMENT.fullmatch(value):
        raise PydanticCustomError("spelling", "Input should be a time with its zone, such as 2026-11-22T12:00:00Z")
    return value


def in_utc(moment: datetime) -> datetime:
    """Return the same time in UTC.

    Raises:
        PydanticCustomError: it is before the first or after the last year of UTC.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("range", "Input should be between 0001-01-02 and 9999-12-30") from None


Moment = Annotated[AwareDatetime, BeforeValidator(spelled_as_moment), AfterValidator(in_utc)]
"""A time, in UTC."""


class PageQuery(QueryParameters):
    """The page of a list to return."""

    cursor: Annotated[
        str | None, Field(max_length=2_000, description="The `next` of the previous page; without it, the first page.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="The maximum number of items.")] = DEFAULT_LIMIT


LinkText = Annotated[str, Field(min_length=1, max_length=128, examples=["AZjxwns6fE2eXwoLHC0-T1…"])]


@dataclass(frozen=True, slots=True)
class NextStep:
    """The request will be worked on. `next` says how to go on."""

    next: str


EventType = Annotated[str, Field(max_length=100, pattern="^[a-z_]+\\.[a-z_]+$", examples=["document.saved"])]


class HistoryQuery(PageQuery):
    """Filters and page of a history."""

    type: Annotated[EventType | None, Field(description="Only events of this type.")] = None
    actor: Annotated[UUID | None, Field(description="Only what this user did.")] = None
    since: Annotated[Moment | None, Field(description="From this time on, with its time zone.")] = None
    until: Annotated[Moment | None, Field(description="Before this time, with its time zone.")] = None
    request: Annotated[UUID | None, Field(description="Only what the request with this `X-Request-Id` caused.")] = None

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of a query of a history."""
        wanted = HistoryFilter(self.type, self.actor, self.since, self.until, self.request)
        return {"wanted": wanted, "cursor": self.cursor, "limit": self.limit}

    @property
    def filters(self) -> dict[str, object]:
        """The filters that are set, by name."""
        return self.model_dump(exclude={"cursor", "limit"}, exclude_none=True)
