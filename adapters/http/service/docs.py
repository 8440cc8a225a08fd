"""The OpenAPI schema, and a page to read it and try it. The page is whole: it loads nothing from anywhere else."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from adapters.http.api.responses import Answer, encode
from adapters.http.api.routing import ApiRoute

router = APIRouter(prefix="/v1", route_class=ApiRoute, include_in_schema=False)

FRESH_FOR = (b"cache-control", b"public, max-age=300")


def schema_of(request: Request) -> bytes:
    """The schema, as JSON."""
    return encode(request.app.openapi())


Schema = Annotated[bytes, Depends(schema_of)]


@router.get("/openapi.json")
async def openapi(schema: Schema) -> Answer:
    """Describe everything here (OpenAPI 3.1)."""
    return Answer(schema, 200, [FRESH_FOR])


@router.get("/docs")
async def docs() -> Answer:
    """Show the schema to people."""
    body, policy = page()
    return Answer(body, 200, [FRESH_FOR, (b"content-security-policy", policy)], media=b"text/html; charset=utf-8")


@cache
def page() -> tuple[bytes, bytes]:
    """The page, and the policy that lets its own script and style run, and no other."""
    text = files("adapters.http.service").joinpath("docs.html").read_text()
    script, style = (digest(text, name) for name in ("script", "style"))
    policy = f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; frame-ancestors 'none'"
    return text.encode(), f"{policy}; base-uri 'none'; form-action 'none'".encode()


def digest(text: str, name: str) -> str:
    """The source expression (CSP) that lets a page's one `script` or `style` be."""
    found = re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
    assert found is not None
    return f"'sha256-{b64encode(sha256(found[1].encode()).digest()).decode()}'"
