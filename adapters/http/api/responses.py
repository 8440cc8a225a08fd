"""Responses: encoded JSON bodies, and the headers that follow from them."""

from collections.abc import Sequence

import msgspec
from starlette.responses import JSONResponse

from application.preconditions import tag_of

HttpHeader = tuple[bytes, bytes]

encode = msgspec.json.Encoder().encode

PUBLIC: HttpHeader = (b"cache-control", b"public, max-age=300")
"""For responses that are the same for every caller and rarely change."""


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
