"""HTTP for what happened: what is published, as AsyncAPI, as a page and as JSON Schemas."""

from functools import cache
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path

from adapters.http.docs import FRESH_FOR, digest
from adapters.http.exchange import Answer, Deps, deps_of, encode
from adapters.http.route import Route
from adapters.stream.asyncapi import Broker, describe
from adapters.stream.catalogue import catalogue
from adapters.stream.contract import published, schema_of
from domain.kernel import NotFound

router = APIRouter(prefix="/v1", route_class=Route)
House = Annotated[Deps, Depends(deps_of)]
Type = Annotated[str, Path(max_length=200)]


@router.get("/asyncapi.json", include_in_schema=False)
async def asyncapi(house: House) -> Answer:
    """Describe the published stream (AsyncAPI 3)."""
    return Answer(description(house.broker), 200, [FRESH_FOR])


@router.get("/events/catalogue", include_in_schema=False)
async def events_catalogue(house: House) -> Answer:
    """Show what is published to people."""
    body, policy = page(house.broker)
    return Answer(body, 200, [FRESH_FOR, (b"content-security-policy", policy)], media=b"text/html; charset=utf-8")


@router.get("/events/schemas/{type}", include_in_schema=False)
async def event_schema(type: Type) -> Answer:
    """Give the JSON Schema of what is published."""
    return Answer(schema(type), 200, [FRESH_FOR], media=b"application/schema+json")


@cache
def description(broker: Broker) -> bytes:
    """The AsyncAPI document, as JSON."""
    return encode(describe(broker))


@cache
def page(broker: Broker) -> tuple[bytes, bytes]:
    """The page, and the policy that lets its own style be, and nothing else."""
    text = catalogue(broker)
    policy = f"default-src 'none'; style-src {digest(text, 'style')}; frame-ancestors 'none'; base-uri 'none'"
    return text.encode(), f"{policy}; form-action 'none'".encode()


def schema(type: str) -> bytes:
    """The JSON Schema of a type, as JSON.

    Raises:
        NotFound: no such type is published.
    """
    if type not in published():
        raise NotFound("No such type is published; /v1/events/catalogue lists those that are.")
    return msgspec.json.format(encode(schema_of(published()[type])), indent=2)
