"""Server-sent events (WHATWG HTML, 9.2): the stream of one subscriber, until its token expires or its session ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated

from fastapi import Depends, Request
from pydantic import AfterValidator, Field
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from adapters.client_network import client_network
from adapters.http.api.context import RequestContext, context_of
from adapters.http.api.problems import Malformed
from adapters.http.api.queries import POSITION
from adapters.http.api.schemas import QueryParameters
from adapters.integration_events.contract import published
from adapters.realtime.hub import OutgoingBatch, OutgoingEvent
from application.ports import SessionWatch, Unavailable
from application.scopes import scope_to_read
from projections.visibility import own_of

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
SEND_TIMEOUT_SECONDS = 20.0
"""A client that receives nothing for so long is disconnected."""

OPENING = b"retry: 2000\nid: %d\n\n"
HEARTBEAT = b":\nid: %d\n\n"
"""An id without data is not an event, but clients send it as Last-Event-ID when they reconnect."""

MAX_WAIT_SECONDS = 3_600

HEADERS = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


def _known_types(given: str | None) -> str | None:
    for type in (given or "").split(",") if given is not None else []:
        if type not in published():
            raise ValueError("is a comma-separated list of types, as in /v1/events/catalogue")
    return given


class StreamQuery(QueryParameters):
    """The events to stream: their types, the start, and the end."""

    types: Annotated[
        str | None,
        Field(max_length=4_000, description="Types of events, comma-separated; without it, all."),
        AfterValidator(_known_types),
    ] = None
    after: Annotated[
        int | None,
        Field(ge=0, le=10**18 - 1, description="Start after this position, unless there is a `Last-Event-ID`; 0: all."),
    ] = None
    limit: Annotated[int | None, Field(ge=1, le=100_000, description="End after this number of events.")] = None
    wait: Annotated[
        int,
        Field(
            ge=0, le=MAX_WAIT_SECONDS, description="End after this number of seconds, once all is sent; 0: do not wait."
        ),
    ] = MAX_WAIT_SECONDS


class Subscriber:
    """The caller as a subscriber of events."""

    def __init__(self, request: Request) -> None:
        context: RequestContext = context_of(request)
        assert context.identity is not None
        self.identity = context.identity
        self.hub = context.deps.live
        self.sessions = context.deps.live_sessions
        self.network = client_network.get()
        self.seconds_left = self.identity.expires - context.deps.clock().timestamp()
        self.last_event_id = context.header(b"last-event-id")
        self._own_ids = own_of(self.identity.actor)
        self._things = {thing for thing, scope in scope_to_read().items() if scope in self.identity.scopes}

    def follow(self, query: StreamQuery) -> "EventStream":
        """Return the stream as a response.

        Raises:
            Malformed: `Last-Event-ID` is not a position.
        """
        after = query.after
        if self.last_event_id:
            if not POSITION.fullmatch(self.last_event_id):
                raise Malformed("Last-Event-ID takes the last id received.")
            after = int(self.last_event_id)
        return EventStream(self, lambda: self.blocks(query, after))

    async def blocks(self, query: StreamQuery, after: int | None) -> AsyncIterator[bytes]:
        """Yield the stream in blocks. It ends when a server fails; a client that reconnects misses no event."""
        now = asyncio.get_running_loop().time
        expires, ends = now() + self.seconds_left, now() + query.wait
        position = await self._start(after, min(self.seconds_left, HEARTBEAT_SECONDS))
        if position is None:
            return
        yield OPENING % position
        left, last_sent = query.limit, now()
        while not self.hub.closed and now() < expires:
            batch = await self._next(position, max(0.0, min(ends, expires, last_sent + HEARTBEAT_SECONDS) - now()))
            if batch is None:
                return
            events = self._own(batch, query)[:left] if now() < expires else []
            if events or now() >= last_sent + HEARTBEAT_SECONDS:
                last_sent = now()
                yield b"".join(each.text for each in events) or HEARTBEAT % batch.reached
            left = None if left is None else left - len(events)
            if left == 0 or (batch.reached == position and now() >= ends):
                return
            position = batch.reached

    async def _start(self, after: int | None, timeout: float) -> int | None:
        """Return the position to start after: the one given, within the log; without one the end of the log."""
        head = await self.hub.head(timeout)
        return head if after is None or head is None else min(after, head)

    async def _next(self, position: int, timeout: float) -> OutgoingBatch | None:
        """Return the events after the position; None if they cannot be read now, or the session is over."""
        try:
            batch = await self.hub.after(position, timeout, self.identity.actor)
            return batch if await self.sessions.find(self.identity.session_id) else None
        except Unavailable:
            return None

    def _own(self, batch: OutgoingBatch, query: StreamQuery) -> list[OutgoingEvent]:
        """Return the events of a batch that the subscriber asked for and may read."""
        types = None if query.types is None else query.types.split(",")
        actor = self.identity.actor
        return [
            each
            for each in batch.events
            if (types is None or each.type in types)
            and each.thing in self._things
            and (each.subject_id in self._own_ids or batch.may_read(actor, each))
        ]


class EventStream(Response):
    """Sends the stream of a subscriber, no faster than it is read. `blocks`: yields it in blocks."""

    media_type = MEDIA_TYPE

    def __init__(self, subscriber: Subscriber, blocks: Callable[[], AsyncIterator[bytes]]) -> None:
        self.status_code = 200
        self.background = None
        self.raw_headers = [*HEADERS]
        self._subscriber = subscriber
        self._blocks = blocks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the stream or the session ends, the client disconnects, or it stops reading.

        Raises:
            TooManyStreams: see `EventHub.subscribed`.
        """
        subscriber = self._subscriber
        async with subscriber.hub.subscribed(subscriber.identity.actor.user_id, subscriber.network):
            with subscriber.sessions.watched(subscriber.identity.session_id) as watch:
                await self._serve(scope, receive, send, watch)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, watch: SessionWatch) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.create_task(_end(send) if scope["bodiless"] else self._send(send))
        leaving = asyncio.create_task(_disconnected(receive))
        ending = asyncio.create_task(watch.dropped())
        try:
            done, _ = await asyncio.wait({sending, leaving, ending}, return_when=asyncio.FIRST_COMPLETED)
            if sending in done:
                sending.result()
            elif leaving in done:
                raise ClientDisconnect
        finally:
            for task in (sending, leaving, ending):
                task.cancel()
            await asyncio.gather(sending, leaving, ending, return_exceptions=True)
        if sending not in done:
            # The session may have ended. If it has not, the client reconnects, and misses no event.
            await _end(send)

    async def _send(self, send: Send) -> None:
        async with aclosing(self._blocks()) as blocks:  # type: ignore[type-var]
            async for block in blocks:
                await _in_time(send, {"type": "http.response.body", "body": block, "more_body": True})
        await _end(send)


async def _end(send: Send) -> None:
    await _in_time(send, {"type": "http.response.body", "body": b"", "more_body": False})


async def _in_time(send: Send, message: dict[str, object]) -> None:
    """Send a message.

    Raises:
        ClientDisconnect: the client did not read within `SEND_TIMEOUT_SECONDS`.
    """
    try:
        async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
            await send(message)
    except TimeoutError:
        raise ClientDisconnect from None


async def _disconnected(receive: Receive) -> None:
    """Return when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


Subscribe = Annotated[Subscriber, Depends(Subscriber)]
