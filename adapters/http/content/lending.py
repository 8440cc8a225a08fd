"""HTTP for loans of documents to teams: parse, send, answer."""

from uuid import UUID

from adapters.http.api.commands import Send
from adapters.http.api.openapi import CONDITIONAL, FRESH, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body
from application.content.document import DocumentView
from application.content.lending import LendDocument, TakeDocumentBack
from domain.access import DOCUMENT
from domain.content.roles import ShareRole
from projections.content.document_team_share import TeamShareView, team_shares

router = Router("/v1/documents/{document_id}/team-shares", tag="documents")


class TeamRole(Body):
    """The role that the members of a team get on a document, as far as their role in the team allows it."""

    role: ShareRole


@router.get(
    "",
    response_model=list[TeamShareView],
    **operation("The loans.", access=DOCUMENT.action("list_shares"), takes=FRESH),
)
async def list_team_shares(document_id: UUID, read: Read) -> Answer:
    """List the teams that a document is lent to. Requires the owner role."""
    return read.unversioned(read.found(await read.query(team_shares, read.actor, document_id)))


@router.put(
    "/{team_id}",
    response_model=DocumentView,
    **operation("The document.", access=DOCUMENT.action("share"), takes=CONDITIONAL),
)
async def lend_document(document_id: UUID, team_id: UUID, body: TeamRole, send: Send) -> Answer:
    """Lend a document to a team of the caller, or give the team another role on it. Requires the owner role.

    Members have the lower one of this role and of the role that the team gives them on its own documents; guests have
    none. A document is lent to at most 10 teams. It goes back when the caller leaves the team or is removed.
    """
    return await send(LendDocument(id=document_id, team_id=team_id, role=body.role))


@router.delete(
    "/{team_id}",
    response_model=DocumentView,
    **operation("The document.", access=DOCUMENT.action("share"), takes=CONDITIONAL),
)
async def take_document_back(document_id: UUID, team_id: UUID, send: Send) -> Answer:
    """Take a document back from a team. Requires the owner role. After the response the loan gives no access."""
    return await send(TakeDocumentBack(id=document_id, team_id=team_id))
