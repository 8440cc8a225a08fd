"""HTTP for events: the live stream, and its description as AsyncAPI, as a page and as JSON Schemas."""

from functools import cache
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query

from adapters.http.api.context import Dependencies
from adapters.http.api.html import HtmlPage, html_page
from adapters.http.api.openapi import operation
from adapters.http.api.responses import PUBLIC, Answer, encode
from adapters.http.api.routers import Router, Tag
from adapters.integration_events.asyncapi import Broker, describe
from adapters.integration_events.catalogue import catalogue
from adapters.integration_events.contract import published, schema_of
from adapters.realtime.sse import MEDIA_TYPE, EventStream, StreamQuery, Subscribe
from domain.access import EVENTS
from domain.kernel import NotFound

router = Router("/v1", tag=Tag("events", "Events as they happen; `/v1/events/catalogue` lists their types."))
Type = Annotated[str, Path(max_length=200)]

STREAM = """\
retry: 2000
id: 4710

id: 4711
event: palimpsest.document.saved.v1
data: {"version":2,"occurred_at":"2026-11-22T12:00:00Z","document_id":"0198f1c2-7b3a-7c4d-9e5f-0a1b2c3d4e5f",\
"revision":2,"title_length":null,"content_length":14,"characters_inserted":3,"characters_deleted":1,\
"status":"published","restored_revision":null}

"""

EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "The position in the log."},
        "event": {"type": "string", "enum": [*published()], "description": "The type."},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "The published event."},
    },
}
"""The schema of an event of the stream."""


def streamed() -> dict[str, Any]:
    """Return the arguments of the streaming route."""
    about = operation("The events.", access=EVENTS.action("follow"), takes=["Last-Event-ID"])
    about["responses"][200]["content"] = {MEDIA_TYPE: {"schema": EVENT, "example": STREAM}}
    return {**about, "response_class": EventStream}


@router.get("/events/stream", **streamed())
async def stream_events(query: Annotated[StreamQuery, Query()], subscriber: Subscribe) -> EventStream:
    """Stream events as they happen, as server-sent events. Covers the caller's account, documents and teams.

    Events about documents require the viewer role, events about shares the owner role of the document, and events
    about invitations the admin role of the team.

    Each event has its position in the log as `id`, its type as `event`, and as `data` the JSON of the published stream
    (see `/v1/events/catalogue`). A client that reconnects with the last `id` misses no event. The stream ends when the
    access token expires.
    """
    return subscriber.follow(query)


@router.get("/asyncapi.json", include_in_schema=False)
async def asyncapi(deps: Dependencies) -> Answer:
    """Return the description of the published stream (AsyncAPI 3)."""
    return Answer(description(deps.broker), 200, [PUBLIC])


@router.get("/events/catalogue", include_in_schema=False)
async def events_catalogue(deps: Dependencies) -> Answer:
    """Return the catalogue of published events as a page."""
    return page(deps.broker).answer()


@router.get("/events/schemas/{type}", include_in_schema=False)
async def event_schema(type: Type) -> Answer:
    """Return the JSON Schema of a published type."""
    return Answer(schema(type), 200, [PUBLIC], media=b"application/schema+json")


@cache
def description(broker: Broker) -> bytes:
    """Return the AsyncAPI document as JSON."""
    return encode(describe(broker))


@cache
def page(broker: Broker) -> HtmlPage:
    """Return the catalogue."""
    return html_page(catalogue(broker))


def schema(type: str) -> bytes:
    """Return the JSON Schema of a type as JSON.

    Raises:
        NotFound: the type is not published.
    """
    if type not in published():
        raise NotFound("This type is not published; /v1/events/catalogue lists the published types.")
    return msgspec.json.format(encode(schema_of(published()[type])), indent=2)
