"""The server's own responses, to requests that cannot be parsed or take too long: problem details like all others."""

from http import HTTPStatus

from uuid_utils.compat import uuid7

from adapters.http.api.middleware import DEFAULT_HEADERS, SECURITY_HEADERS
from adapters.http.api.problems import answer


def refusal(status: int, code: str, detail: str) -> bytes:
    """Return a response that closes the connection, as bytes."""
    request_id = uuid7()
    response = answer(request_id, status, code, detail, {"Connection": "close"})
    fields = [
        *response.raw_headers,
        (b"x-request-id", str(request_id).encode()),
        *SECURITY_HEADERS,
        *DEFAULT_HEADERS,
    ]
    head = b"".join(b"%b: %b\r\n" % field for field in fields)
    start = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
    return b"".join([start, head, b"\r\n", response.body])
