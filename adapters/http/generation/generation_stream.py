"""The text of a generation as server-sent events, while it is written.

The id of an event is the attempt and the number of characters up to there, so a client that reconnects anywhere gets
each character of an attempt once. Another attempt begins with an event of its own: what came before it counts no more.

Moderation judges whole texts, so a watcher sees one before its judgement: a text is provisional until the end of the
stream, and one that is refused is withdrawn.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import Field

from adapters.http.api.context import context_of
from adapters.http.api.openapi import operation
from adapters.http.api.problems import Malformed
from adapters.http.api.responses import encode
from adapters.http.api.routers import Router
from adapters.http.api.schemas import QueryParameters
from adapters.realtime.sse import HEARTBEAT_SECONDS, MAX_WAIT_SECONDS, MEDIA_TYPE, EventStream, Subscriber
from application.generation.watching import GenerationReader
from application.ports import Unavailable
from domain.generation.generation import GENERATION, BatchState, Generation
from domain.kernel import NotFound

router = Router("/v1", tag="generations")

POLL_SECONDS = 1.0
"""How often a watcher looks although nothing wakes it: a signal may be lost, and a cancellation sends none."""
PLACE = re.compile(r"([0-9]{1,9})-([0-9]{1,9}(?:\.[0-9]{1,9})*)")

OPENING = b"retry: 1000\n\n"
HEARTBEAT = b":\n\n"

StreamPlace = tuple[int, tuple[int, ...]]
"""An attempt, and for each of its variants the number of characters that the client has."""


STREAM = """\
retry: 1000

id: 1-0
event: attempt
data: {"attempt":1,"provisional":true}

id: 1-10
event: text
data: {"variant":1,"text":"The otters"}

id: 1-10
event: end
data: {"status":"done","result":"written","draft_reason":null,"failure":null,"refused":null,\
"categories":[],"explanation":null,"ending":"complete","is_sandbox":false,"revision":2,"start":22,"end":32,\
"cost_micros":120}

"""

END = (
    *("status", "result", "draft_reason", "failure", "refused", "categories", "explanation", "ending", "is_sandbox"),
    *("revision", "start", "end", "cost_micros"),
)
"""The fields of a generation that the event `end` has."""

EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {
            "type": "string",
            "pattern": r"^[0-9]+-[0-9]+(\.[0-9]+)*$",
            "description": "Attempt, and characters so far; of each variant, with dots between.",
        },
        "event": {"type": "string", "enum": ["batch", "attempt", "text", "withdrawn", "end"]},
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
        deps = context_of(request).deps
        self._subscriber = Subscriber(request)
        self._reader = GenerationReader(deps.history, deps.partial_texts, deps.queue, self._subscriber.identity.actor)
        self._signals = deps.text_signals
        self._generation: Generation | None = None
        self._batch: BatchState | None = None
        """What the client knows of the batch."""
        self._state_until = 0.0
        """The time of the event loop until which the state is not read again while there is text."""

    async def follow(self, id: UUID, query: WatchQuery) -> EventStream:
        """Return the stream as a response.

        Raises:
            NotFound: the generation does not exist for the caller.
            Malformed: `Last-Event-ID` is not an id of this stream.
        """
        generation = await self._reader.current(id)
        place = _place_of(self._subscriber.last_event_id, generation.variants)
        return EventStream(self._subscriber, lambda: self.blocks(id, place, query.wait))

    async def blocks(self, id: UUID, place: StreamPlace, wait: float) -> AsyncIterator[bytes]:
        """Yield the stream in blocks. It ends when a server fails; a client that reconnects misses nothing."""
        now = asyncio.get_running_loop().time
        last_sent = now()
        ends = last_sent + min(self._subscriber.seconds_left, wait)
        yield OPENING
        with self._signals.watched(id) as changed:
            while True:
                changed.clear()
                generation, block, place = await self._look(id, place)
                if generation is None:
                    return
                if not generation.is_open:
                    yield block + _withdrawn(generation, place) + _event("end", place, _end_of(generation))
                    return
                if block or now() >= last_sent + HEARTBEAT_SECONDS:
                    last_sent = now()
                    yield block or HEARTBEAT
                if now() >= ends:
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(POLL_SECONDS, ends - now())):
                        await changed.wait()

    async def _look(self, id: UUID, place: StreamPlace) -> tuple[Generation | None, bytes, StreamPlace]:
        """Return the generation, what the client has not seen, and where it is then.

        None: the generation is to be watched no more, or cannot be read now. Most signals are about text, so the state
        is read only if there is none, and after `POLL_SECONDS`.
        """
        now, block = asyncio.get_running_loop().time, b""
        try:
            if self._generation is not None and now() < self._state_until:
                block, place = await self._news(self._generation, place)
            if not block:
                self._generation, self._state_until = await self._current(id), now() + POLL_SECONDS
                if self._generation is not None:
                    block, place = await self._news(self._generation, place)
        except (NotFound, Unavailable):
            return None, b"", place
        return self._generation, block, place

    async def _current(self, id: UUID) -> Generation | None:
        """Return the generation; None if it is to be watched no more. Raises `NotFound`, `Unavailable`."""
        subscriber = self._subscriber
        if subscriber.hub.closed or not await subscriber.sessions.find(subscriber.identity.session_id):
            return None
        return await self._reader.current(id)

    async def _news(self, generation: Generation, place: StreamPlace) -> tuple[bytes, StreamPlace]:
        """Return what the client has not seen of a generation, and where it is then."""
        block = b""
        if generation.batch is not None and generation.batch != self._batch:
            self._batch = generation.batch
            block = _event("batch", place, _batch_of(generation))
        if generation.attempt != place[0]:
            place = (generation.attempt, (0,) * generation.variants)
            block += _event("attempt", place, {"attempt": generation.attempt, "provisional": True})
        attempt, offsets = place
        texts = await self._reader.texts(generation, attempt, offsets)
        for number, text in enumerate(texts):
            if text:
                offsets = (*offsets[:number], offsets[number] + len(text), *offsets[number + 1 :])
                block += _event("text", (attempt, offsets), {"variant": number + 1, "text": text})
        return block, (attempt, offsets)


def _place_of(last_event_id: str | None, variants: int) -> StreamPlace:
    if not last_event_id:
        return 0, (0,) * variants
    found = PLACE.fullmatch(last_event_id)
    offsets = () if found is None else tuple(map(int, found[2].split(".")))
    if found is None or len(offsets) != variants:
        raise Malformed("Last-Event-ID takes the last id received.")
    return int(found[1]), offsets


def _event(name: str, place: StreamPlace, data: object) -> bytes:
    attempt, offsets = place
    id = f"{attempt}-{'.'.join(map(str, offsets))}".encode()
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (id, name.encode(), encode(data))


def _withdrawn(generation: Generation, place: StreamPlace) -> bytes:
    """Return events for the texts of which the client has something, and which it is to remove."""
    attempt, offsets = place
    seen = {n: refused for n, refused in generation.withdrawn.items() if attempt and offsets[n - 1]}
    return b"".join(_event("withdrawn", place, {"variant": n, "refused": refused}) for n, refused in seen.items())


def _batch_of(generation: Generation) -> dict[str, object]:
    return {name: getattr(generation, name) for name in ("status", "batch", "latest_at")}


def _end_of(generation: Generation) -> dict[str, object]:
    return {name: getattr(generation, name) for name in END}


Watch = Annotated[Watcher, Depends(Watcher)]


def streamed() -> dict[str, Any]:
    """Return the arguments of the streaming route."""
    about = operation("The text as it comes.", access=GENERATION.action("read"), takes=["Last-Event-ID"])
    about["responses"][200]["content"] = {MEDIA_TYPE: {"schema": EVENT, "example": STREAM}}
    return {**about, "response_class": EventStream}


@router.get("/generations/{generation_id}/events", **streamed())
async def watch_generation(generation_id: UUID, query: Annotated[WatchQuery, Query()], watch: Watch) -> EventStream:
    """Watch a text being written, as server-sent events. Requires the asker role.

    `attempt` announces that the text begins again, `text` has the next characters of a variant, `end` the outcome;
    its `is_sandbox` says that no model wrote the text, but a stand-in for one. Until the end a text is provisional:
    moderation judges it when it is complete. `withdrawn` names a variant that is refused, or has failed: remove what
    came of it. `batch` says whether a text that is for one waits for it or is in it, and when it is there at the
    latest. A client that reconnects with the last `id`, to any server, gets each character of an attempt once.
    """
    return await watch.follow(generation_id, query)
