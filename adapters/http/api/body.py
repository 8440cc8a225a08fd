"""Request bodies: JSON, in time, and never more than the limit in memory."""

import asyncio
from collections.abc import Callable

import jiter
import msgspec
from fastapi import Request
from pydantic import TypeAdapter
from starlette.requests import ClientDisconnect

from adapters.http.api.client_network import network_of_client
from adapters.http.api.context import RequestContext
from adapters.http.api.problems import (
    Fault,
    Malformed,
    NotJson,
    NotValid,
    TooLarge,
    TooSlow,
    UnsupportedContentCoding,
    UnsupportedTransferCoding,
)
from adapters.http.api.schemas import Body

BODY_TIMEOUT_SECONDS = 60.0
"""Without it a slow client could hold a request open for any time."""

LARGE_BYTES = 16_384
"""Larger bodies are refused at the first fault of their shape: to collect all of them could take seconds."""


class JsonBody:
    """Reads the body of one operation."""

    def __init__(self, model: type[Body]) -> None:
        self.validate = TypeAdapter(model).validate_json
        self._limit = model.MAX_BYTES
        members = [(name, field.annotation, None) for name, field in model.model_fields.items()]
        self._shape = msgspec.json.Decoder(msgspec.defstruct(model.__name__, members, forbid_unknown_fields=True))

    async def read(self, request: Request, context: RequestContext) -> bytes:
        """Return the body, which is JSON. Of a body over the limit, no more than the limit is read.

        Raises:
            TooLarge: the body is larger than the limit of its model.
            NotJson, UnsupportedContentCoding, UnsupportedTransferCoding: it has another media type, or is encoded.
            TooSlow: it was not received in time.
            Overload: other bodies take all the memory.
            Malformed: it is not JSON, or an object repeats a member.
            NotValid: it is large, and its members are others than those of the model.
        """
        declared = context.header(b"content-length")
        if declared is not None and declared.isdecimal() and int(declared) > self._limit:
            raise _too_large(self._limit)
        _require_json(context)
        with context.deps.bodies.share(network_of_client(request)) as take:
            body = await self._receive(request, take)
        if len(body) > LARGE_BYTES:
            self._check_shape(body)
        _check_json(body)
        return body

    async def _receive(self, request: Request, take: Callable[[int], None]) -> bytes:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
                return await _read(request, self._limit, take)
        except TimeoutError:
            detail = f"The body was not received within {BODY_TIMEOUT_SECONDS:.0f} seconds."
            raise TooSlow(detail, {"Connection": "close"}) from None

    def _check_shape(self, body: bytes) -> None:
        try:
            self._shape.decode(body)
        except msgspec.ValidationError:
            raise NotValid([Fault("body", "", "shape", "A member is unknown or of another type.")]) from None
        except msgspec.DecodeError:
            raise _not_json() from None


def _require_json(context: RequestContext) -> None:
    kind = (context.header(b"content-type") or "").lower()
    media, _, parameters = (part.strip() for part in kind.partition(";"))
    if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        raise NotJson("Send the body as application/json.")
    if parameters.startswith("charset=") and parameters.removeprefix("charset=").strip('"') != "utf-8":
        raise NotJson("Send the body in UTF-8.")
    if (context.header(b"content-encoding") or "identity").lower() != "identity":
        raise UnsupportedContentCoding("Send the body without a Content-Encoding.", {"Accept-Encoding": "identity"})
    if (context.header(b"transfer-encoding") or "chunked").lower() != "chunked":
        raise UnsupportedTransferCoding("The only Transfer-Encoding is chunked.")


def _check_json(body: bytes) -> None:
    """Refuse what is not JSON, and repeated members: parsers differ in which one they take (pydantic takes the last).

    Raises:
        Malformed
    """
    try:
        jiter.from_json(body, allow_inf_nan=False, cache_mode=False, catch_duplicate_keys=True)
    except ValueError as error:
        if str(error).startswith("Detected duplicate key"):
            detail = "The body repeats a member of an object; which one counts is undefined (RFC 8259, 4)."
            raise Malformed(detail) from None
        raise _not_json() from None


def _not_json() -> Malformed:
    return Malformed("The body is not JSON (RFC 8259) in UTF-8.")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes.")


async def _read(request: Request, limit: int, take: Callable[[int], None]) -> bytes:
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
            raise _too_large(limit)
        take(len(chunk))
        more = message.get("more_body", False)
    return b"".join(chunks)
