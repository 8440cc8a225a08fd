"""HTTP for public documents: their owners publish and withdraw them, everybody reads them.

The page has no script and loads nothing. Contents are rendered as Markdown and sanitised; titles are shown as text.
"""

from functools import cache, partial
from html import escape
from uuid import UUID

from adapters.http.api.commands import Send
from adapters.http.api.html import HtmlPage, html_page
from adapters.http.api.markdown import as_written
from adapters.http.api.openapi import CONDITIONS, FRESH, KEYED, operation
from adapters.http.api.queries import PublicRead, Read
from adapters.http.api.responses import Answer, HttpHeader
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body
from application.content.publication import PublicationView, PublishDocument, WithdrawDocument
from domain.access import DOCUMENT
from projections.content.publication import PublicDocument, public_document, publication

router = Router("/v1", tag="documents")

CACHED: list[HttpHeader] = [(b"cache-control", b"public, max-age=60"), (b"vary", b"Accept")]
"""A cache may show a document for a minute after its end."""
NOINDEX: HttpHeader = (b"x-robots-tag", b"noindex")
STYLE = """body{font:1.1rem/1.6 serif;max-width:40rem;margin:2rem auto;padding:0 1rem;overflow-wrap:break-word}
main>div{white-space:pre-wrap}pre{overflow-x:auto}th,td{padding:0 1rem 0 0;text-align:left;vertical-align:top}"""
PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>{style}</style></head><body><h1>{title}</h1><main>{content}</main></body></html>
"""


class PublicationChoice(Body):
    """Whether search engines may list the public document."""

    indexed: bool = False


@router.get(
    "/documents/{document_id}/publication",
    response_model=PublicationView,
    **operation("The publication.", access=DOCUMENT.action("list_shares"), takes=FRESH),
)
async def get_publication(document_id: UUID, read: Read) -> Answer:
    """Get the public id of a document; 404 if it is not public. Requires the owner role."""
    return read.unversioned(read.found(await read.query(publication, read.actor, document_id)))


@router.post(
    "/documents/{document_id}/publication",
    response_model=PublicationView,
    **operation("The publication.", access=DOCUMENT.action("publish"), takes=KEYED, status=201),
)
async def publish_document(document_id: UUID, body: PublicationChoice, send: Send) -> Answer:
    """Make a document public under `Location`, for everybody who has the address. Requires the owner role and a
    verified address.

    A document that is published again has the same address. Search engines are asked to leave it out unless `indexed`.
    """
    return await send(PublishDocument(id=document_id, indexed=body.indexed), at="/v1/public/{}")


@router.delete(
    "/documents/{document_id}/publication",
    **operation("The document is not public.", access=DOCUMENT.action("publish"), takes=KEYED, status=204),
)
async def withdraw_document(document_id: UUID, send: Send) -> Answer:
    """End the publication of a document. Requires the owner role. After the response we show it no more; caches may
    do so for a minute.
    """
    return await send(WithdrawDocument(id=document_id))


@router.get(
    "/public/{public_id}",
    response_model=PublicDocument,
    **operation("The document.", takes=CONDITIONS, fails=[503]),
)
async def get_public_document(public_id: UUID, read: PublicRead) -> Answer:
    """Get a public document, as JSON, or as a page if `Accept` names `text/html`. Caches may keep it for a minute.

    The page shows the content as Markdown (GitHub's dialect), with raw HTML as text, and images as links; very long or
    deep contents as they are written.
    """
    return await _answer(read.found(await public_document(read.rows, public_id)), read)


async def _answer(found: PublicDocument, read: PublicRead) -> Answer:
    headers = CACHED if found.indexed else [*CACHED, NOINDEX]
    if read.wants_html:
        return await read.page(found, _policy(), partial(_page_of, found, read), headers)
    return read.one(found, headers)


async def _page_of(found: PublicDocument, read: PublicRead) -> HtmlPage:
    rendered = await read.markdown.html(found.content)
    return _page(found.title, as_written(found.content) if rendered is None else rendered)


def _page(title: str, content: str) -> HtmlPage:
    return html_page(PAGE.format(title=escape(title), style=STYLE, content=content))


@cache
def _policy() -> bytes:
    """Return the policy of all pages: they have the same style."""
    return _page("", "").policy
