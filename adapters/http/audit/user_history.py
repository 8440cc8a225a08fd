"""HTTP for auditors: the history of a user."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from adapters.http.api.audited import AuditedRead, Question
from adapters.http.api.openapi import listing
from adapters.http.api.routers import Router, Tag
from adapters.http.api.schemas import HistoryQuery
from application.travel.subjects import Subjects
from domain.access import AUDIT
from projections.history import HistoryEntry
from projections.identity.history import audited_history
from projections.page import Page

router = Router("/v1/audit", tag=Tag("audit", "The history of all, for auditors. Each read is recorded, and shown."))


@router.get(
    "/users/{user_id}/history",
    response_model=Page[HistoryEntry],
    **listing("A page of what happened.", access=AUDIT.action("read_history")),
)
async def audit_user_history(user_id: UUID, listed: Annotated[HistoryQuery, Query()], audited: AuditedRead) -> Response:
    """List what happened to an account, the latest first, also to a closed one. Requires the auditor role.

    The read is recorded before it is answered, and shown to the user.
    """
    asked = Question("audit_user_history", "user", user_id, listed.filters, subjects=Subjects([user_id]))
    return await audited.listed(asked, audited_history, user_id, **listed.options)
