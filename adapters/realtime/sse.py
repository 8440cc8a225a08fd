"""Server-sent events (WHATWG HTML, 9.2): one listener's stream, from where it left off until its token expires."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import Depends, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from adapters.http.api.context import RequestContext, context_of
from adapters.http.api.problems import Malformed
from adapters.http.api.queries import POSITION
from adapters.integration_events.contract import published
from adapters.realtime.hub import OutgoingBatch, OutgoingEvent
from application.ports import Unavailable
from projections.visibility import own_of

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = 15.0
SEND_SECONDS = 20.0
"""Who takes nothing for so long is cut off."""

OPENING = b"retry: 2000\nid: %d\n\n"
BEAT = b":\nid: %d\n\n"
"""An id without data is no event, but is what a client sends as Last-Event-ID when it comes again."""

LONGEST_WAIT = 3_600
SCOPES = {"user": "users:read", "subscription": "subscription:read", "document": "documents:read", "team": "teams:read"}
"""The scope of a token that it takes to hear of things."""

HEADERS = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


def _known_types(given: str | None) -> str | None:
    for type in (given or "").split(",") if given is not None else []:
        if type not in published():
            raise ValueError("is a list of types, with commas between, as in /v1/events/catalogue")
    return given


class StreamQuery(BaseModel):
    """Which events, from where on, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    types: Annotated[
        str | None,
        Field(max_length=4_000, description="Types of events, with commas between; all without it."),
        AfterValidator(_known_types),
    ] = None
    after: Annotated[
        int | None,
        Field(ge=0, le=10**18 - 1, description="Begin after this position, where there is no `Last-Event-ID`; 0: all."),
    ] = None
    limit: Annotated[int | None, Field(ge=1, le=100_000, description="End after so many events.")] = None
    wait: Annotated[
        int,
        Field(ge=0, le=LONGEST_WAIT, description="End after so many seconds, once there is no more; 0: do not wait."),
    ] = LONGEST_WAIT


class Listener:
    """Whoever listens: their stream."""

    def __init__(self, request: Request) -> None:
        context: RequestContext = context_of(request)
        assert context.identity is not None
        self.identity = context.identity
        self.live = context.deps.live
        self._seconds_left = self.identity.expires - context.deps.clock().timestamp()
        self._last_event_id = context.header(b"last-event-id")
        self._mine = own_of(self.identity.actor)
        self._things = {thing for thing, scope in SCOPES.items() if scope in self.identity.scopes}

    def follow(self, asked: StreamQuery) -> "EventStream":
        """The answer: what happens from where it was asked for on.

        Raises:
            Malformed: `Last-Event-ID` is none of ours.
        """
        after = asked.after
        if self._last_event_id:
            if not POSITION.fullmatch(self._last_event_id):
                raise Malformed("Last-Event-ID takes the id that came last.")
            after = int(self._last_event_id)
        return EventStream(self, asked, after)

    async def blocks(self, asked: StreamQuery, after: int | None) -> AsyncIterator[bytes]:
        """The stream, in pieces. Where a server does not answer it ends, and whoever comes again misses nothing."""
        now = asyncio.get_running_loop().time
        expires, ends = now() + self._seconds_left, now() + asked.wait
        position = await self._start(after, min(self._seconds_left, HEARTBEAT))
        if position is None:
            return
        yield OPENING % position
        left, spoke = asked.limit, now()
        while not self.live.over and now() < expires:
            batch = await self._next(position, max(0.0, min(ends, expires, spoke + HEARTBEAT) - now()))
            if batch is None:
                return
            shown = self._own(batch, asked)[:left] if now() < expires else []
            if shown or now() >= spoke + HEARTBEAT:
                spoke = now()
                yield b"".join(each.text for each in shown) or BEAT % batch.reached
            left = None if left is None else left - len(shown)
            if left == 0 or (batch.reached == position and now() >= ends):
                return
            position = batch.reached

    async def _start(self, after: int | None, timeout: float) -> int | None:
        """Where to begin: after a position, if there is such; without one, with what happens from now on."""
        head = await self.live.head(timeout)
        return head if after is None or head is None else min(after, head)

    async def _next(self, position: int, patience: float) -> OutgoingBatch | None:
        """What comes after the position; None: it cannot be read now."""
        try:
            return await self.live.after(position, patience)
        except Unavailable:
            return None

    def _own(self, batch: OutgoingBatch, asked: StreamQuery) -> list[OutgoingEvent]:
        """What of a batch this listener asked for and may read."""
        types = None if asked.types is None else asked.types.split(",")
        actor = self.identity.actor
        return [
            each
            for each in batch.shown
            if (types is None or each.type in types)
            and each.thing in self._things
            and (each.subject_id in self._mine or batch.may_read(actor, each))
        ]


class EventStream(Response):
    """Sends a listener's stream, no faster than it is read."""

    media_type = MEDIA_TYPE

    def __init__(self, listener: Listener, asked: StreamQuery, after: int | None) -> None:
        self.status_code = 200
        self.background = None
        self.raw_headers = [*HEADERS]
        self._listener = listener
        self._asked = asked
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the stream ends, the client leaves, or it takes nothing any more.

        Raises:
            TooManyStreams: as `Live.listening`.
        """
        async with self._listener.live.listening(self._listener.identity.actor.user_id):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            sending = asyncio.create_task(_end(send) if scope["bodiless"] else self._send(send))
            leaving = asyncio.create_task(_left(receive))
            try:
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not sending.done():
                    raise ClientDisconnect
                sending.result()
            finally:
                sending.cancel()
                leaving.cancel()
                await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        async with aclosing(self._listener.blocks(self._asked, self._after)) as blocks:  # type: ignore[type-var]
            async for block in blocks:
                await _in_time(send, {"type": "http.response.body", "body": block, "more_body": True})
        await _end(send)


async def _end(send: Send) -> None:
    await _in_time(send, {"type": "http.response.body", "body": b"", "more_body": False})


async def _in_time(send: Send, message: dict[str, object]) -> None:
    """Send a piece.

    Raises:
        ClientDisconnect: the client took none of what was sent before.
    """
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await send(message)
    except TimeoutError:
        raise ClientDisconnect from None


async def _left(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


Listening = Annotated[Listener, Depends(Listener)]
