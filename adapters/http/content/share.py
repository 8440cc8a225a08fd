"""HTTP for the shares of documents: parse, send, answer. Email addresses travel in bodies, never in paths."""

from uuid import UUID

from adapters.http.api.commands import Send
from adapters.http.api.openapi import CONDITIONAL, FRESH, KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body, Email
from application.content.document import ChangeShare, DocumentView, LeaveDocument, RevokeShare, ShareDocument
from domain.access import DOCUMENT
from domain.content.roles import ShareRole
from projections.content.document_access import ShareView, shares

router = Router("/v1/documents/{document_id}/shares", tag="documents")


class ShareRequest(Body):
    """An email address and the role of its holder. An editor changes the document; a commenter or viewer reads it."""

    email: Email
    role: ShareRole


class ShareAddress(Body):
    """The email address whose share is revoked."""

    email: Email


@router.get(
    "",
    response_model=list[ShareView],
    **operation("The shares.", access=DOCUMENT.action("list_shares"), takes=FRESH),
)
async def list_shares(document_id: UUID, read: Read) -> Answer:
    """List a document's shares, and whether they are used. Requires the owner role."""
    return read.unversioned(read.found(await read.query(shares, read.history, read.actor, document_id)))


@router.post(
    "",
    response_model=DocumentView,
    **operation("The document.", access=DOCUMENT.action("share"), takes=CONDITIONAL),
)
async def share_document(document_id: UUID, body: ShareRequest, send: Send) -> Answer:
    """Share a document with the holder of an email address, registered or not. Requires the owner role.

    The owner's own address must be verified.

    The first user who reads or changes the document through the share keeps it, also after a change of address. A later
    holder of the address has no access.
    """
    return await send(ShareDocument(id=document_id, email=body.email, role=body.role))


@router.put(
    "",
    response_model=DocumentView,
    **operation("The document.", access=DOCUMENT.action("share"), takes=CONDITIONAL),
)
async def change_share(document_id: UUID, body: ShareRequest, send: Send) -> Answer:
    """Change the role of a share. Requires the owner role and a verified address of one's own."""
    return await send(ChangeShare(id=document_id, email=body.email, role=body.role))


@router.post(
    "/revoke",
    response_model=DocumentView,
    **operation("The document.", access=DOCUMENT.action("share"), takes=CONDITIONAL),
)
async def revoke_share(document_id: UUID, body: ShareAddress, send: Send) -> Answer:
    """Revoke a share. Requires the owner role. After the response the document can no longer be read through it."""
    return await send(RevokeShare(id=document_id, email=body.email))


@router.delete(
    "/me", **operation("The caller's shares are gone.", access=DOCUMENT.action("leave"), takes=KEYED, status=204)
)
async def leave_document(document_id: UUID, send: Send) -> Answer:
    """Leave a document that others share with the caller. The owner cannot leave.

    The document no longer exists for the caller, until it is shared with them again.
    """
    return await send(LeaveDocument(id=document_id))
