"""One HTTP connection, every phase of which is bounded in time and bytes. See decisions/0003-bounded-connections.md.

This file and `server.py` depend on internals of uvicorn (0.54):
- `HttpToolsProtocol` is subclassed; its parser callbacks, `data_received`, `shutdown` and `pause_writing` are extended,
  and `send_400_response` is replaced. `url`, `flow` and `cycle` are used; of `cycle`: `keep_alive`, `disconnected`,
  `message_event`, `response_started`, `response_complete`.
- Its transport is wrapped in `connection_made`. Each response must write its head first, in one piece that begins with
  "HTTP/1.1 ". A connection that is not kept alive must be closed by `close()` of the transport.
"""

import asyncio
from asyncio import TimerHandle
from enum import Enum, auto
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from infra.http_server.coalescing_transport import CoalescingTransport
from infra.http_server.connection_pool import ConnectionPool
from infra.http_server.refusal import refusal

MAX_HEAD_BYTES = 65_536
MAX_HEAD_LINES = 100
MAX_TARGET_BYTES = 8_192
HEAD_SECONDS = 20.0
"""The longest that the head of a request may take."""

LINGER_SECONDS = 10.0
LINGER_BYTES = 16 * 2**20
"""How long and how much of a refused request is still received, and dropped.

Closing at once would reset the connection, and with it a response that the client has not read (RFC 9112, 9.6).
"""

STALL_SECONDS = 20.0
"""A client that reads nothing of its response for so long is disconnected."""


HEAD_TOO_LARGE = (
    431,
    "head_too_large",
    f"The head, or the trailer, has more than {MAX_HEAD_LINES} lines or {MAX_HEAD_BYTES} bytes.",
)


class HeadRefusal(Exception):
    """A head that is not read further."""


class Phase(Enum):
    """The part of a request that comes next from the client. ANSWER: nothing, the request is complete."""

    HEAD = auto()
    BODY = auto()
    ANSWER = auto()


class LingeringTransport(CoalescingTransport):
    """A transport that closes its sending side only while the client still sends: its protocol ends that in time."""

    def __init__(self, transport: asyncio.Transport, protocol: "HttpProtocol") -> None:
        super().__init__(transport)
        self._protocol = protocol
        self._lingering = False

    def close(self) -> None:
        """Close, or close the sending side only."""
        if self._lingering or not self._protocol.linger():
            super().close()
            self._protocol.watch_writing()
        else:
            self._lingering = True
            self.write_eof()

    def is_closing(self) -> bool:
        """Return whether nothing more can be sent."""
        return self._lingering or self._transport.is_closing()


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, pool: ConnectionPool, **more: Any) -> None:
        super().__init__(*args, **more)
        self._pool = pool
        self._phase = Phase.HEAD
        self._silent = True
        self._keep_alive = False
        self._head_lines = self._head_bytes = 0
        self._unparsed = 0
        self._dropped: int | None = None
        self._refusal = (400, "malformed", "This is not a request of HTTP/1.1 (RFC 9112).")
        self._head_timer: TimerHandle | None = None
        self._linger_timer: TimerHandle | None = None
        self._stall_timer: TimerHandle | None = None

    @property
    def waiting(self) -> bool:
        """Whether the client has to send something before anything else happens."""
        return self._phase is Phase.BODY or self._answered

    def cut(self) -> None:
        """Close at once."""
        self.transport.abort()

    def linger(self) -> bool:
        """Return whether the client may still be sending. That is received and dropped then, for a bounded time."""
        if self._phase is Phase.ANSWER:
            return False
        self._dropped = 0
        self._cancel_head_timer()
        self.flow.resume_reading()
        self._linger_timer = self.loop.call_later(LINGER_SECONDS, self.cut)
        return True

    def watch_writing(self) -> None:
        """See that the client reads what is written."""
        left = self.transport.get_write_buffer_size()
        if left and self._stall_timer is None:
            self._stall_timer = self.loop.call_later(STALL_SECONDS, self._check_writing, left)

    # From the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wrap the transport, and wait for a head."""
        super().connection_made(cast(asyncio.Transport, LingeringTransport(transport, self)))
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._end_slow_head)
        self._pool.add(self, self.client[0] if self.client else "")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._pool.remove(self)
        super().connection_lost(exc)
        for timer in (self._head_timer, self._linger_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse, or drop what a refused client still sends."""
        if self._dropped is not None:
            self._dropped += len(data)
            if self._dropped > LINGER_BYTES:
                self.cut()
            return
        self._unparsed += len(data)
        super().data_received(data)
        if self._dropped is None and (self._phase is Phase.HEAD or (self._unparsed and self.waiting)):
            self._await_rest()

    def pause_writing(self) -> None:
        """Hold the response back until the client has read."""
        super().pause_writing()
        self.watch_writing()

    # From the parser

    def on_message_begin(self) -> None:
        """Expect the rest of a head."""
        self._silent = False
        self._phase = Phase.HEAD
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Refuse a target that is too long."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            self._refusal = (414, "target_too_long", f"The target has more than {MAX_TARGET_BYTES} bytes.")
            raise HeadRefusal

    def on_header(self, name: bytes, value: bytes) -> None:
        """Refuse a head, or a trailer, that is too large."""
        self._head_lines += 1
        self._head_bytes += len(name) + len(value)
        if self._head_lines > MAX_HEAD_LINES or self._head_bytes > MAX_HEAD_BYTES:
            self._refusal = HEAD_TOO_LARGE
            raise HeadRefusal
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request. Until its body is complete, a response closes the connection."""
        super().on_headers_complete()
        self._phase = Phase.BODY
        self._unparsed = self._head_lines = self._head_bytes = 0
        self._cancel_head_timer()
        self._keep_alive, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the response."""
        super().on_message_complete()
        self._unparsed = self._head_lines = self._head_bytes = 0
        self._phase = Phase.ANSWER
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive

    # From the server

    def shutdown(self) -> None:
        """Close after the response; without a request, at once."""
        self._keep_alive = False
        if self._answered:
            self._phase = Phase.ANSWER
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed and close, after the responses to earlier requests."""
        if self._phase is Phase.HEAD and not self._answered:
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if not self._answered:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self._answered or not self.cycle.response_started:
            self.transport.write(refusal(*self._refusal))
        self._phase = Phase.HEAD
        self.transport.close()

    # Limits

    @property
    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_rest(self) -> None:
        """Bound the bytes of what the parser holds back, and the time of a head."""
        if self._unparsed > MAX_HEAD_BYTES:
            self._refusal = HEAD_TOO_LARGE
            self.send_400_response("")
        elif self._phase is not Phase.BODY and self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._end_slow_head)

    def _end_slow_head(self) -> None:
        if not self._answered:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._end_slow_head)
        elif not self._silent:
            self._refusal = (408, "too_slow", f"The head was not received within {HEAD_SECONDS:.0f} seconds.")
            self._phase = Phase.HEAD
            self.send_400_response("")
        else:
            self.cut()

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _check_writing(self, before: int) -> None:
        self._stall_timer = None
        if self.transport.get_write_buffer_size() < before:
            self.watch_writing()
        else:
            self.cut()
