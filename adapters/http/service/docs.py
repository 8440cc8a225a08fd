"""HTTP for the OpenAPI schema, and for a page that shows it and sends requests."""

from functools import cache
from importlib.resources import files
from typing import Annotated

from fastapi import Depends, Request

from adapters.http.api.html import HtmlPage, html_page
from adapters.http.api.responses import PUBLIC, Answer, encode
from adapters.http.api.routers import Router

router = Router("/v1", include_in_schema=False)


def schema_of(request: Request) -> bytes:
    """Return the schema as JSON."""
    return encode(request.app.openapi())


SchemaJson = Annotated[bytes, Depends(schema_of)]


@router.get("/openapi.json")
async def openapi(schema: SchemaJson) -> Answer:
    """Return the description of this API (OpenAPI 3.1)."""
    return Answer(schema, 200, [PUBLIC])


@router.get("/docs")
async def docs() -> Answer:
    """Return the description as a page."""
    return page().answer()


@cache
def page() -> HtmlPage:
    """Return the page; its script loads the schema."""
    return html_page(files("adapters.http.service").joinpath("docs.html").read_text(), script=True)
