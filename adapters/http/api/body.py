"""Request bodies: JSON, in time, and never more than the limit in memory."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, cast, get_args, get_origin
from uuid import UUID

import jiter
import msgspec
from fastapi import Request
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from starlette.requests import ClientDisconnect

from adapters.client_network import client_network
from adapters.http.api.body_budget import BodyBudget
from adapters.http.api.context import RequestContext
from adapters.http.api.problems import (
    Fault,
    Malformed,
    NotJson,
    NotValid,
    TooLarge,
    TooSlow,
    UnsupportedContentCoding,
    UnsupportedMediaType,
    UnsupportedTransferCoding,
)
from adapters.http.api.schemas import Body

BODY_TIMEOUT_SECONDS = 60.0
"""Without it a slow client could hold a request open for any time."""

LARGE_BYTES = 16_384
"""Larger bodies are refused at the first fault of their shape: to collect all of them could take seconds."""

PAUSE_SECONDS = 0.001
"""Between the steps that parse a large body, each of which may take 30 ms: other requests have their turns meanwhile.
Threads would not help, as the parsers hold the GIL."""


Members = dict[str, Any]
"""The members of a JSON object, each of the type that its model names."""


class JsonBody:
    """Reads the bodies of one kind."""

    def __init__(self, model: type[Body]) -> None:
        self.media_type = model.MEDIA_TYPE
        self._model = TypeAdapter(model)
        self._limit = model.MAX_BYTES
        self._shape = msgspec.json.Decoder(shape_of(model))

    def validate(self, body: bytes | Members) -> Body:
        """Return what `read` has returned as an instance of the model.

        Raises:
            ValidationError: it violates the schema.
        """
        return self._model.validate_json(body) if isinstance(body, bytes) else self._model.validate_python(body)

    async def read(self, request: Request, context: RequestContext) -> bytes | Members:
        """Return the body, which is JSON; of a large one, its members. No more than the limit is read.

        Raises:
            TooLarge: the body is larger than the limit of its model.
            NotJson, UnsupportedContentCoding, UnsupportedTransferCoding: it is not JSON, or is encoded.
            TooSlow: it was not received in time.
            Overload: other bodies take all the memory, for too long.
            Malformed: it is not JSON, or an object repeats a member.
            NotValid: it is large, and its members are others than those of the model.
        """
        declared = context.header(b"content-length")
        size = int(declared) if declared is not None and declared.isdecimal() else self._limit
        if size > self._limit:
            raise _too_large(self._limit)
        _require_json(context)
        body = await self._receive(request, context.deps.bodies, size)
        if len(body) <= LARGE_BYTES:
            _check_json(body)
            return body
        members = self._members(body)
        await asyncio.sleep(PAUSE_SECONDS)
        _check_json(body)
        await asyncio.sleep(PAUSE_SECONDS)
        return members

    async def _receive(self, request: Request, budget: BodyBudget, size: int) -> bytes:
        """Return a body of at most `size` bytes, which needs room only if it is large."""
        body = _PartialBody(request, self._limit)
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
                await body.receive(Body.MAX_BYTES)
                if not body.complete:
                    async with budget.room(client_network.get(), max(size, body.size) - Body.MAX_BYTES):
                        await body.receive(self._limit)
                return b"".join(body.chunks)
        except TimeoutError:
            detail = f"The body was not received within {BODY_TIMEOUT_SECONDS:.0f} seconds."
            raise TooSlow(detail, {"Connection": "close"}) from None

    def _members(self, body: bytes) -> Members:
        try:
            return cast(Members, msgspec.to_builtins(self._shape.decode(body), builtin_types=(UUID, datetime)))
        except msgspec.ValidationError:
            raise NotValid([Fault("body", "", "shape", "A member is unknown or of another type.")]) from None
        except msgspec.DecodeError:
            raise _not_json() from None


def shape_of(model: type[BaseModel]) -> type[msgspec.Struct]:
    """Return a struct with the members of a model and their types, all of them optional."""
    members = [(name, _type_of(field), msgspec.UNSET) for name, field in model.model_fields.items()]
    return msgspec.defstruct(model.__name__, members, forbid_unknown_fields=True)


def _type_of(field: FieldInfo) -> Any:
    """Return the type of a member; of a list, with the shape of its items and its greatest length."""
    if get_origin(field.annotation) is not list:
        return field.annotation
    [item] = get_args(field.annotation)
    item = get_args(item)[0] if get_origin(item) is Annotated else item
    items = shape_of(item) if issubclass(item, BaseModel) else item
    max_length = next((each.max_length for each in field.metadata if hasattr(each, "max_length")), None)
    return Annotated[list[items], msgspec.Meta(max_length=max_length)]  # type: ignore[valid-type]


def body_for(bodies: Sequence[JsonBody], context: RequestContext) -> JsonBody:
    """Return the kind of body that a request has, among those that its operation takes.

    Raises:
        UnsupportedMediaType: its media type names none of several kinds.
    """
    if len(bodies) == 1:
        return bodies[0]
    media, _ = _media_of(context)
    found = next((body for body in bodies if body.media_type == media), None)
    if found is None:
        accepted = ", ".join(body.media_type for body in bodies)
        raise UnsupportedMediaType(f"Send the body as one of {accepted}.", {"Accept-Patch": accepted})
    return found


def _media_of(context: RequestContext) -> tuple[str, str]:
    """Return the media type of a request and its parameters, in lower case."""
    media, _, parameters = (context.header(b"content-type") or "").lower().partition(";")
    return media.strip(), parameters.strip()


def _require_json(context: RequestContext) -> None:
    media, parameters = _media_of(context)
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


class _PartialBody:
    """The part of a body that has been received."""

    def __init__(self, request: Request, limit: int) -> None:
        self.chunks: list[bytes] = []
        self.size = 0
        self.complete = False
        self._request, self._limit = request, limit

    async def receive(self, enough: int) -> None:
        """Receive until the body is complete, or has more than enough bytes.

        Raises:
            TooLarge: it has more bytes than the limit.
            ClientDisconnect
        """
        while not self.complete and self.size <= enough:
            message = await self._request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            self.chunks.append(message.get("body", b""))
            self.size += len(self.chunks[-1])
            if self.size > self._limit:
                raise _too_large(self._limit)
            self.complete = not message.get("more_body", False)
