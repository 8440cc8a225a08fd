"""Compression of answers (RFC 9110, 8.4.1.3): gzip for clients that accept it, where it saves more than it costs.

Compressed are good answers to GET of JSON, JSON Lines and HTML from `MIN_BYTES` on. What is compressed has a tag of its
own: that of the plain answer with `-gzip`. `../decisions/0003-what-is-compressed.md` says what is left out, and why.
"""

import asyncio
import re
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Collection
from hashlib import blake2b
from typing import Any, Protocol

from starlette.responses import Response, StreamingResponse

from adapters.http.api.responses import Answer

MIN_BYTES = 1_400
"""What is smaller fits into one packet."""

LOOP_BYTES = 32 * 1024
"""What is larger is compressed in a thread: 32 KiB take half a millisecond at most."""

MAX_BUSY = 4
"""Answers that are compressed in threads at the same time. Further ones are sent as they are."""

LEVEL = 1
"""Level 6 saves an eighth more of a long text, and takes four times as long."""

MAX_PADDING = 64
TYPES = (b"application/json", b"application/jsonl", b"text/html")
CODED = "-gzip"
"""The end of the tag of a compressed answer (RFC 9110, 8.8.3.3)."""

HEAD = b"\x1f\x8b\x08\x08" + bytes(5) + b"\xff"
"""Deflated, with a name, without a time (RFC 1952, 2.3)."""

GZIP = (b"content-encoding", b"gzip")
WEIGHT = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)


class RequestHeaders(Protocol):
    """A request, as far as compression asks for it."""

    def header(self, name: bytes) -> str | None:
        """Return a request header by its name in lower case."""


def accepts_gzip(request: RequestHeaders) -> bool:
    """Return whether `Accept-Encoding` allows gzip, and prefers it to no coding (RFC 9110, 12.5.3)."""
    given = request.header(b"accept-encoding") or ""
    weights = dict(_weighted(element) for element in given.split(","))
    weight = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return weight > 0 and weight >= weights.get("identity", 0.0)


def _weighted(element: str) -> tuple[str, float]:
    coding, _, parameter = (part.strip() for part in element.lower().partition(";"))
    if not parameter:
        return coding, 1.0
    weight = WEIGHT.fullmatch(parameter)
    return coding, 0.0 if weight is None else float(weight[1])


class Compressor:
    """Compresses answers, a bounded number of large ones at the same time."""

    def __init__(self) -> None:
        self._busy = 0

    async def apply(self, response: Response, request: RequestHeaders) -> None:
        """Compress an answer to a GET if it is to be. A 304 gets the tag of the compressed one if the client has it."""
        if isinstance(response, Answer):
            if response.status_code == 304:
                _name_known(response, request)
            elif len(response.body) >= MIN_BYTES and response.status_code == 200 and _is_of_type(response):
                await self._compress(response, request)
        elif isinstance(response, StreamingResponse) and _is_of_type(response):
            _vary(response)
            if accepts_gzip(request):
                response.raw_headers.append(GZIP)
                response.body_iterator = _streamed(response.body_iterator)

    async def _compress(self, response: Answer, request: RequestHeaders) -> None:
        _vary(response)
        body, is_large = bytes(response.body), len(response.body) > LOOP_BYTES
        if not accepts_gzip(request) or (is_large and self._busy >= MAX_BUSY):
            return
        response.body = await self._in_thread(body) if is_large else gzipped(body)
        response.raw_headers.append(GZIP)
        _set(response, b"content-length", b"%d" % len(response.body))
        tag = _get(response, b"etag")
        if tag is not None:
            _set(response, b"etag", _coded(tag))

    async def _in_thread(self, body: bytes) -> bytes:
        self._busy += 1
        try:
            return await asyncio.to_thread(gzipped, body)
        finally:
            self._busy -= 1


class GzipStream:
    """A gzip file (RFC 1952), chunk by chunk.

    Its head has a name of 0 to `MAX_PADDING` characters, by a digest of the first chunk: the length of the whole says
    less about words in it that others have chosen. The same chunks always have the same bytes, as strong tags demand.
    """

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._sum, self._size, self._begun = 0, 0, False

    def add(self, chunk: bytes) -> bytes:
        """Return the bytes of a chunk, complete: a client can read it before the next one comes."""
        head = self._begin(chunk)
        self._sum, self._size = zlib.crc32(chunk, self._sum), self._size + len(chunk)
        return head + self._deflate.compress(chunk) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        """Return the last bytes."""
        trailer = self._sum.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
        return self._begin(b"") + self._deflate.flush() + trailer

    def _begin(self, chunk: bytes) -> bytes:
        """Return the head, once."""
        if self._begun:
            return b""
        self._begun = True
        digest = int.from_bytes(blake2b(chunk, digest_size=4).digest(), "big")
        return HEAD + b"-" * (digest % (MAX_PADDING + 1)) + b"\0"


def gzipped(body: bytes) -> bytes:
    """Return a body as a gzip file."""
    file = GzipStream()
    return file.add(body) + file.end()


async def _streamed(chunks: AsyncIterable[Any]) -> AsyncIterator[bytes]:
    file = GzipStream()
    async for chunk in chunks:
        if chunk:
            yield file.add(chunk) if len(chunk) <= LOOP_BYTES else await asyncio.to_thread(file.add, chunk)
    yield file.end()


def _is_of_type(response: Response) -> bool:
    return (_get(response, b"content-type") or b"").partition(b";")[0] in TYPES


def _vary(response: Response) -> None:
    vary = _get(response, b"vary")
    _set(response, b"vary", b"Accept-Encoding" if vary is None else vary + b", Accept-Encoding")


def _name_known(response: Answer, request: RequestHeaders) -> None:
    """Name in a 304 the compressed state, if the client has that one (RFC 9110, 15.4.5)."""
    known = request.header(b"if-none-match") or ""
    if CODED not in known or not accepts_gzip(request):
        return
    tag = _get(response, b"etag")
    if tag is not None and _coded(tag).decode() in known:
        _vary(response)
        _set(response, b"etag", _coded(tag))


def plain_tags(tags: Collection[str], request: RequestHeaders, *, of_read: bool) -> frozenset[str]:
    """Return the tags that a request names as they are without a coding.

    `of_read`: of a read that may answer that the client has the state. A client that does not accept gzip now has no
    use for a compressed one, so its tag is left as it is and matches nothing.
    """
    if of_read and not accepts_gzip(request):
        return frozenset(tags)
    return frozenset(tag.removesuffix(CODED) for tag in tags)


def _coded(tag: bytes) -> bytes:
    return tag[:-1] + CODED.encode() + b'"'


def _get(response: Response, name: bytes) -> bytes | None:
    return next((value for key, value in response.raw_headers if key == name), None)


def _set(response: Response, name: bytes, value: bytes) -> None:
    response.raw_headers = [*(header for header in response.raw_headers if header[0] != name), (name, value)]
