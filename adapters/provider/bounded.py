"""Bounds of what a provider may send: the SDK itself would hold a line or an answer of any length in memory."""

from collections.abc import AsyncIterator

import httpx2

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""Of a whole response: the longest answers have 128,000 tokens, each in an event of about 300 bytes."""
MAX_LINE_BYTES = 8 * 1024 * 1024
"""Of a line: the last event of the Responses API repeats the whole answer."""


class TooLong(Exception):
    """The provider sends more than fits the bounds."""


class BoundedStream(httpx2.AsyncByteStream):
    """The body of a response, which ends with `TooLong` beyond the bounds."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Pass the body on."""
        total = line = 0
        async for chunk in self._stream:
            total += len(chunk)
            *ends, rest = chunk.split(b"\n")
            line = len(rest) + (0 if ends else line)
            if total > MAX_RESPONSE_BYTES or line > MAX_LINE_BYTES:
                raise TooLong
            yield chunk

    async def aclose(self) -> None:
        """Close the connection, or free it for the next request if the body was read to its end."""
        await self._stream.aclose()


async def bound(response: httpx2.Response) -> None:
    """Bound the body of a response (a hook of the HTTP client)."""
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = BoundedStream(response.stream)
