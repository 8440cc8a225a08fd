"""HTTP for what happened: as it happens, and what it looks like, as AsyncAPI, as a page and as JSON Schemas."""

from functools import cache
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query

from adapters.http.api.context import deps_of
from adapters.http.api.deps import Deps
from adapters.http.api.openapi import operation
from adapters.http.api.responses import Answer, encode
from adapters.http.api.routing import ApiRoute
from adapters.http.service.docs import FRESH_FOR, digest
from adapters.integration_events.asyncapi import Broker, describe
from adapters.integration_events.catalogue import catalogue
from adapters.integration_events.contract import published, schema_of
from adapters.realtime.sse import MEDIA_TYPE, EventStream, Listening, StreamQuery
from domain.kernel import NotFound

router = APIRouter(prefix="/v1", route_class=ApiRoute)
House = Annotated[Deps, Depends(deps_of)]
Type = Annotated[str, Path(max_length=200)]


STREAM = """\
retry: 2000
id: 4710

id: 4711
event: palimpsest.document.published.v1
data: {"version":2,"occurred_at":"2026-11-22T12:00:00Z","document_id":"0198f1c2-7b3a-7c4d-9e5f-0a1b2c3d4e5f"}

"""


EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "Its position in the log."},
        "event": {"type": "string", "enum": [*published()], "description": "Its type."},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "What is published of it."},
    },
}
"""An event of the stream, by its fields."""


def streamed() -> dict[str, Any]:
    """Arguments of the route that streams."""
    about = operation("What happens.", scope="events:read", takes=["Last-Event-ID"], example=STREAM)
    about["responses"][200]["content"] = {MEDIA_TYPE: {"schema": EVENT}}
    return {**about, "response_class": EventStream}


@router.get("/events/stream", tags=["events"], **streamed())
async def stream_events(asked: Annotated[StreamQuery, Query()], listening: Listening) -> EventStream:
    """Follow what happens, as server-sent events. One's own account, documents that one may read, teams one is in.

    Of shares it takes the owner to hear, of invitations an admin of the team.

    Each has its position in the log as `id`, its type as `event`, and as `data` the JSON of the published stream (see
    `/v1/events/catalogue`). Who comes again with the last `id` misses nothing. It ends when the token expires.
    """
    return listening.follow(asked)


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
