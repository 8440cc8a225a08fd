"""HTTP for the shares of documents: parse, send, answer. Addresses travel in bodies, never in paths."""

from uuid import UUID

from fastapi import APIRouter

from adapters.http.api.commands import Send
from adapters.http.api.openapi import FRESH, KEYED, operation
from adapters.http.api.queries import QueryReader, Read
from adapters.http.api.responses import Answer
from adapters.http.api.routing import ApiRoute
from adapters.http.api.schemas import Body, Email, shown
from adapters.http.content.document import DOCUMENT, READ, WRITE
from application.content.document import ChangeShare, DocumentView, RevokeShare, ShareDocument
from domain.access import RoleTooLow
from domain.content.document import ShareRole
from projections.content.document import document
from projections.content.document_access import ShareView, shares

router = APIRouter(prefix="/v1/documents/{document_id}/shares", route_class=ApiRoute, tags=["documents"])


class ShareRequest(Body):
    """With whom, and what they may do: an editor changes, a commenter and a viewer read."""

    model_config = shown({"email": "grace@example.org", "role": "editor"})
    email: Email
    role: ShareRole


class ShareAddress(Body):
    """Whose role is taken away."""

    model_config = shown({"email": "grace@example.org"})
    email: Email


@router.get(
    "",
    response_model=list[ShareView],
    **operation("The shares.", scope=READ, takes=FRESH, example=[{"email": "grace@example.org", "role": "editor"}]),
)
async def list_shares(document_id: UUID, read: Read) -> Answer:
    """List with whom a document is shared. Takes its owner."""
    await require_owner(read, document_id)
    return read.unversioned(await read.query(shares, document_id))


@router.post(
    "",
    response_model=DocumentView,
    **operation("The document.", scope=WRITE, takes=KEYED, example=DOCUMENT),
)
async def share_document(document_id: UUID, body: ShareRequest, send: Send) -> Answer:
    """Share a document with the holder of an email address, a user or not yet. Takes its owner."""
    return await send(ShareDocument(id=document_id, email=body.email, role=body.role))


@router.put(
    "",
    response_model=DocumentView,
    **operation("The document.", scope=WRITE, takes=KEYED, example=DOCUMENT),
)
async def change_share(document_id: UUID, body: ShareRequest, send: Send) -> Answer:
    """Give somebody whom a document is shared with another role. Takes its owner."""
    return await send(ChangeShare(id=document_id, email=body.email, role=body.role))


@router.post(
    "/revoke",
    response_model=DocumentView,
    **operation("The document.", scope=WRITE, takes=KEYED, example=DOCUMENT),
)
async def revoke_share(document_id: UUID, body: ShareAddress, send: Send) -> Answer:
    """Take somebody's role on a document away. Takes its owner. Once this is answered they can read it no more."""
    return await send(RevokeShare(id=document_id, email=body.email))


async def require_owner(read: QueryReader, document_id: UUID) -> None:
    """Let the owner pass.

    Raises:
        NotFound: the document does not exist for whoever asks.
        RoleTooLow: it is shared with them.
    """
    found = read.found(await read.query(document, read.actor, document_id))
    if found.owner_id != read.actor.user_id:
        raise RoleTooLow("This takes the owner.")
