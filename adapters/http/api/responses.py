"""Responses: encoded JSON bodies, and the headers that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from starlette.responses import JSONResponse

from application.preconditions import tag_of

HttpHeader = tuple[bytes, bytes]

encode = msgspec.json.Encoder().encode

PUBLIC: HttpHeader = (b"cache-control", b"public, max-age=300")
"""For responses that are the same for every caller and rarely change."""


FOREVER: HttpHeader = (b"cache-control", b"public, max-age=31536000, immutable")
"""For responses that are the same for every caller and never change."""
ALWAYS_ASKED: HttpHeader = (b"cache-control", b"public, no-cache")
"""For responses that are the same for every caller and may change at any time: caches ask whether they have."""


@dataclass(frozen=True, slots=True)
class Representation:
    """A representation that is not made from a view. `media`: its media type."""

    body: bytes
    media: bytes

    @property
    def etag(self) -> str:
        """A tag that changes with any byte."""
        return content_tag(self.body)


def content_tag(content: bytes) -> str:
    """Return a tag that changes with the content."""
    return str(int.from_bytes(sha256(content).digest()[:8], "big"))


class Answer(JSONResponse):
    """A response with an encoded body. Skips the header handling of its base class, which costs time.

    `media`: the media type of the body; empty: there is no representation.
    """

    def __init__(
        self,
        body: bytes = b"",
        status: int = 200,
        headers: Sequence[HttpHeader] = (),
        media: bytes = b"application/json",
    ) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = [*headers]
        if status not in (204, 304):
            self.raw_headers += [(b"content-type", media)] if media else []
            self.raw_headers.append((b"content-length", b"%d" % len(body)))


def etag_of(view: object) -> list[HttpHeader]:
    """Return the ETag header of a view; none for a view without a tag."""
    tag = tag_of(view)
    return [] if tag is None else [(b"etag", f'"{tag}"'.encode())]
