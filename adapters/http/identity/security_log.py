"""HTTP for the caller's security log: parse, read, answer."""

from typing import Annotated

from fastapi import Query
from pydantic import Field, field_validator
from starlette.responses import Response

from adapters.http.api.lists import List
from adapters.http.api.openapi import listing
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Moment, PageQuery
from domain.access import ACCOUNT
from projections.identity.security_log import ACTIONS, SecurityLogEntry, security_log
from projections.page import Page

router = Router("/v1/users", tag="accounts")


class SecurityLogQuery(PageQuery):
    """Filters and page of the security log."""

    action: Annotated[
        str | None, Field(json_schema_extra={"enum": [*ACTIONS]}, description="Only entries of this action.")
    ] = None
    since: Annotated[Moment | None, Field(description="From this time on, with its time zone.")] = None
    until: Annotated[Moment | None, Field(description="Before this time, with its time zone.")] = None

    @field_validator("action")
    @classmethod
    def known(cls, action: str | None) -> str | None:
        """Refuse an action that no entry has."""
        if action is not None and action not in ACTIONS:
            raise ValueError("there is no such action")
        return action


@router.get(
    "/me/security-log",
    response_model=Page[SecurityLogEntry],
    **listing("A page of entries.", access=ACCOUNT.action("read")),
)
async def list_security_log(listed: Annotated[SecurityLogQuery, Query()], read: List) -> Response:
    """List logins, refusals and changes of the caller's account, the latest first. Kept for 400 days, changes for ever.

    Requests that are refused many times within a minute are one entry with their `count`.
    """
    return await read.listed(security_log, read.security_log, read.actor.user_id, **listed.model_dump())
