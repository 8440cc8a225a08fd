"""The text of a generation as server-sent events, while it is written.

The id of an event is the attempt and the number of characters up to there, so a client that reconnects anywhere gets
each character of an attempt once. Another attempt begins with an event of its own: what came before it counts no more.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import Field

from adapters.http.api.context import RequestContext, context_of
from adapters.http.api.openapi import operation
from adapters.http.api.problems import Malformed
from adapters.http.api.responses import encode
from adapters.http.api.routers import Router
from adapters.http.api.schemas import QueryParameters
from adapters.realtime.sse import HEARTBEAT_SECONDS, MAX_WAIT_SECONDS, MEDIA_TYPE, EventStream, Subscriber
from application.generation.watching import GenerationReader
from application.ports import Unavailable
from domain.generation.generation import GENERATION, Generation
from domain.kernel import NotFound

router = Router("/v1", tag="generations")

PAUSE_SECONDS = 0.1
"""How often new text is looked for."""
STATE_SECONDS = 0.3
"""How often the state of the generation is looked for, which takes more reading."""
PLACE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")

OPENING = b"retry: 1000\n\n"
HEARTBEAT = b":\n\n"

StreamPlace = tuple[int, int]
"""An attempt, and the number of its characters that the client has."""


STREAM = """\
retry: 1000

id: 1-0
event: attempt
data: {"attempt":1}

id: 1-10
event: text
data: {"text":"The otters"}

id: 1-10
event: end
data: {"status":"done","result":"written","draft_reason":null,"failure":null,"refused":null,\
"categories":[],"explanation":null,"ending":"complete","revision":2,"start":22,"end":32,"cost_micros":120}

"""

EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {
            "type": "string",
            "pattern": "^[0-9]+-[0-9]+$",
            "description": "Attempt and characters so far.",
        },
        "event": {"type": "string", "enum": ["attempt", "text", "end"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
"""The schema of an event of the stream."""


class WatchQuery(QueryParameters):
    """How long to watch."""

    wait: Annotated[
        int, Field(ge=0, le=MAX_WAIT_SECONDS, description="End after this number of seconds; 0: do not wait.")
    ] = MAX_WAIT_SECONDS


class Watcher:
    """The caller as one who watches a generation."""

    def __init__(self, request: Request) -> None:
        context: RequestContext = context_of(request)
        self._subscriber = Subscriber(request)
        self._reader = GenerationReader(
            context.deps.history, context.deps.partial_texts, self._subscriber.identity.actor
        )

    async def follow(self, id: UUID, query: WatchQuery) -> EventStream:
        """Return the stream as a response.

        Raises:
            NotFound: the generation does not exist for the caller.
            Malformed: `Last-Event-ID` is not an id of this stream.
        """
        place = _place_of(self._subscriber.last_event_id)
        await self._reader.current(id)
        return EventStream(self._subscriber, lambda: self.blocks(id, place, query.wait))

    async def blocks(self, id: UUID, place: StreamPlace, wait: float) -> AsyncIterator[bytes]:
        """Yield the stream in blocks. It ends when a server fails; a client that reconnects misses nothing."""
        now = asyncio.get_running_loop().time
        begun = last_sent = looked = now()
        ends = begun + min(self._subscriber.seconds_left, wait)
        yield OPENING
        generation = await self._current(id)
        while generation is not None:
            block, place = await self._news(generation, place)
            if not generation.is_open:
                yield block + _event("end", place, _end_of(generation))
                return
            if block or now() >= last_sent + HEARTBEAT_SECONDS:
                last_sent = now()
                yield block or HEARTBEAT
            if now() >= ends:
                return
            await asyncio.sleep(PAUSE_SECONDS)
            if now() >= looked + STATE_SECONDS:
                generation, looked = await self._current(id), now()

    async def _current(self, id: UUID) -> Generation | None:
        """Return the generation; None if it is to be watched no more, or cannot be read now."""
        subscriber = self._subscriber
        try:
            if subscriber.hub.closed or not await subscriber.sessions.find(subscriber.identity.session_id):
                return None
            return await self._reader.current(id)
        except (NotFound, Unavailable):
            return None

    async def _news(self, generation: Generation, place: StreamPlace) -> tuple[bytes, StreamPlace]:
        """Return what the client has not seen, and where it is then."""
        attempt, offset = place
        block = b""
        if generation.attempt != attempt:
            attempt, offset = generation.attempt, 0
            block = _event("attempt", (attempt, 0), {"attempt": attempt})
        text = await self._reader.text(generation, attempt, offset)
        if text:
            offset += len(text)
            block += _event("text", (attempt, offset), {"text": text})
        return block, (attempt, offset)


def _place_of(last_event_id: str | None) -> StreamPlace:
    if not last_event_id:
        return 0, 0
    found = PLACE.fullmatch(last_event_id)
    if found is None:
        raise Malformed("Last-Event-ID takes the last id received.")
    return int(found[1]), int(found[2])


def _event(name: str, place: StreamPlace, data: object) -> bytes:
    return b"id: %d-%d\nevent: %b\ndata: %b\n\n" % (*place, name.encode(), encode(data))


def _end_of(generation: Generation) -> dict[str, object]:
    names = "status result draft_reason failure refused categories explanation ending revision start end cost_micros"
    return {name: getattr(generation, name) for name in names.split()}


Watch = Annotated[Watcher, Depends(Watcher)]


def streamed() -> dict[str, Any]:
    """Return the arguments of the streaming route."""
    about = operation("The text as it comes.", access=GENERATION.action("read"), takes=["Last-Event-ID"])
    about["responses"][200]["content"] = {MEDIA_TYPE: {"schema": EVENT, "example": STREAM}}
    return {**about, "response_class": EventStream}


@router.get("/generations/{generation_id}/events", **streamed())
async def watch_generation(generation_id: UUID, query: Annotated[WatchQuery, Query()], watch: Watch) -> EventStream:
    """Watch a text being written, as server-sent events. Requires the asker role.

    `attempt` announces that the text begins again, `text` has the next characters, `end` the outcome. A client that
    reconnects with the last `id`, to any server, gets each character of an attempt once.
    """
    return await watch.follow(generation_id, query)
