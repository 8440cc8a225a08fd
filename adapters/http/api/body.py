"""Request bodies: JSON, in time, and never more than the limit in memory."""

import asyncio
import json
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from adapters.http.api.context import RequestContext
from adapters.http.api.problems import Malformed, NotJson, TooLarge, TooSlow

BODY_TIMEOUT_SECONDS = 60.0
"""Without it a slow client could hold a request open for any time."""


async def read_body(request: Request, context: RequestContext) -> bytes:
    """Return the body. Of a body over the limit, no more than the limit is read.

    Raises:
        TooLarge: the body is larger than `max_body_bytes`.
        NotJson: it has another media type.
        TooSlow: it was not received in time.
    """
    limit = context.deps.max_body_bytes
    declared = context.header(b"content-length")
    if declared is not None and declared.isdecimal() and int(declared) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    media = (context.header(b"content-type") or "").partition(";")[0].strip().lower()
    if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        raise NotJson("Send the body as application/json.")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            return await _read(request, limit)
    except TimeoutError:
        detail = f"The body was not received within {BODY_TIMEOUT_SECONDS:.0f} seconds."
        raise TooSlow(detail, {"Connection": "close"}) from None


def refuse_ambiguous(body: bytes) -> None:
    """Refuse an object with a repeated member: parsers differ in which one they take (pydantic takes the last).

    Raises:
        Malformed
    """
    JSON.decode(body.decode())


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise Malformed("The body repeats a member of an object; which one counts is undefined (RFC 8259, 4).")
    return found


JSON = json.JSONDecoder(object_pairs_hook=_unique)


async def _read(request: Request, limit: int) -> bytes:
    chunks = []
    size = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
        more = message.get("more_body", False)
    return b"".join(chunks)
