"""HTTP for share links: parse, send, answer. Tokens and passwords travel in bodies, never in paths or queries."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import FRESH, KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body, LinkText, Moment
from application.content.share_link import (
    CreatedLink,
    CreateShareLink,
    OpenedDocument,
    OpenShareLink,
    RevokeShareLink,
)
from domain.access import DOCUMENT
from domain.content.roles import ShareRole
from projections.content.share_link import ShareLinkView, share_links

router = Router("/v1", tag="documents")

LinkPassword = Annotated[
    str,
    Field(min_length=8, max_length=128, json_schema_extra={"format": "password"}, examples=["willow under glass"]),
]


class NewShareLink(Body):
    """A new share link: the role that it gives, and optionally a password and an end."""

    role: ShareRole
    password: LinkPassword | None = None
    expires_at: Annotated[
        Annotated[Moment, Field(strict=False, json_schema_extra={"maxLength": 32})] | None,
        Field(description="When the link ends, with its time zone."),
    ] = None


class ShareLinkToken(Body):
    """The token of a link, and its password if it has one."""

    MAX_BYTES: ClassVar[int] = 4_096
    token: LinkText
    password: LinkPassword | None = None


@router.get(
    "/documents/{document_id}/links",
    response_model=list[ShareLinkView],
    **operation("The links.", access=DOCUMENT.action("list_shares"), takes=FRESH),
)
async def list_share_links(document_id: UUID, read: Read) -> Answer:
    """List a document's share links without their tokens, and how often each was used. Requires the owner role."""
    return read.unversioned(read.found(await read.query(share_links, read.actor, document_id)))


@router.post(
    "/documents/{document_id}/links",
    response_model=CreatedLink,
    **operation("The new link.", access=DOCUMENT.action("share"), takes=KEYED, status=201),
)
async def create_share_link(document_id: UUID, body: NewShareLink, send: Send) -> Answer:
    """Create a link that gives every user who opens it a role. Requires the owner role and a verified address.

    The token is shown in this response only. Put it into the fragment of a URL (after `#`), which browsers send to no
    server. A link gives nothing to people without an account: they read published documents.
    """
    command = CreateShareLink(id=document_id, role=body.role, password=body.password, expires_at=body.expires_at)
    return await send(command, at=f"/v1/documents/{document_id}/links/{{}}")


@router.delete(
    "/documents/{document_id}/links/{link_id}",
    **operation("The link is revoked.", access=DOCUMENT.action("share"), takes=KEYED, status=204),
)
async def revoke_share_link(document_id: UUID, link_id: UUID, send: Send) -> Answer:
    """Revoke a link. Requires the owner role. After the response it gives no access any more."""
    return await send(RevokeShareLink(id=document_id, link_id=link_id))


@router.post(
    "/share-links/open",
    response_model=OpenedDocument,
    **operation("The document.", access=DOCUMENT.action("open_link"), takes=KEYED, fails=[404], status=201),
)
async def open_share_link(body: ShareLinkToken, send: Send) -> Answer:
    """Open a document by the token of a share link. The caller has the role of the link until the link ends.

    A wrong password answers 403 `wrong_link_password`; after 20 of them in an hour a link refuses further ones. A
    link that has ended or never existed answers 404 `share_link_not_valid`.
    """
    return await send(OpenShareLink(token=body.token, password=body.password), at="/v1/documents/{}")
