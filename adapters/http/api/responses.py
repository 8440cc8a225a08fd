"""Responses: JSON bodies that are ready to send, and the headers that follow from them."""

from collections.abc import Sequence

import msgspec
from starlette.responses import JSONResponse

Header = tuple[bytes, bytes]

encode = msgspec.json.Encoder().encode


class Answer(JSONResponse):
    """A response whose body is encoded already. It skips the header handling of its base class, which costs time."""

    def __init__(
        self,
        body: bytes = b"",
        status: int = 200,
        headers: Sequence[Header] = (),
        media: bytes = b"application/json",
    ) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = [*headers]
        if status not in (204, 304):
            self.raw_headers += [(b"content-type", media), (b"content-length", b"%d" % len(body))]


def etag_of(view: object) -> list[Header]:
    """The ETag of a view that has a version; nothing for any other."""
    version = getattr(view, "version", None)
    return [] if version is None else [(b"etag", b'"%d"' % version)]
