"""HTTP for the OpenAPI schema, and for the API reference: Swagger UI, served by ourselves (`swagger_ui/README.md`)."""

from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from fastapi import Depends, Request

from adapters.http.api.html import HtmlPage, html_page
from adapters.http.api.responses import PUBLIC, Answer, encode
from adapters.http.api.routers import Router

router = Router(include_in_schema=False)

FOLDER = files("adapters.http.service")
ASSETS = {
    "swagger-ui-bundle.js": (
        b"text/javascript; charset=utf-8",
        "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    ),
    "swagger-ui.css": (
        b"text/css; charset=utf-8",
        "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
    ),
    "favicon-32x32.png": (b"image/png", "3ed612f41e050ca5e7000cad6f1cbe7e7da39f65fca99c02e99e6591056e5837"),
}
"""The files that the page loads: media type and SHA-256."""

AssetName = Literal["swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"]


def schema_of(request: Request) -> bytes:
    """Return the schema as JSON."""
    return encode(request.app.openapi())


SchemaJson = Annotated[bytes, Depends(schema_of)]


@router.get("/")
async def start() -> Answer:
    """Lead to the API reference."""
    return Answer(b"", 307, [PUBLIC, (b"location", b"/v1/docs")])


@router.get("/v1/openapi.json")
async def openapi(schema: SchemaJson) -> Answer:
    """Return the description of this API (OpenAPI 3.1)."""
    return Answer(schema, 200, [PUBLIC])


@router.get("/v1/docs")
async def docs() -> Answer:
    """Return the API reference as a page."""
    return page().answer()


@router.get("/v1/docs/{name}")
async def asset(name: AssetName) -> Answer:
    """Return a file that the page loads."""
    return Answer(content(name), 200, [PUBLIC], media=ASSETS[name][0])


@cache
def page() -> HtmlPage:
    """Return the page; its script loads the schema."""
    return html_page(FOLDER.joinpath("docs.html").read_text(), script=True, assets=True)


@cache
def content(name: AssetName) -> bytes:
    """Return the content of a file."""
    return FOLDER.joinpath("swagger_ui", name).read_bytes()
