"""Problem details (RFC 9457): every error answer has the same form, a stable code, and nothing of what was sent.

Refusals are mapped by their base, once: a new refusal never touches HTTP.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from fastapi import Request
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.responses import Response

from application.identity.user import WrongCredentials
from application.ports import KeyReused, NotSettled, OutcomeUnknown, StaleVersion, Unavailable
from domain.kernel import Conflict, Forbidden, Invalid, NotFound, Refusal

MEDIA_TYPE = "application/problem+json"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="palimpsest"'}
SHOWN = 20
LONGEST_POINTER = 200

STATUS: Mapping[type[Refusal], int] = {
    WrongCredentials: 401,
    StaleVersion: 412,
    KeyReused: 422,
    Invalid: 422,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
}
"""By base; the first that fits."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request. `pointer` (RFC 6901) leads to it within `place`."""

    place: str
    pointer: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong (RFC 9457). `code` is stable; `detail` says what to do."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: UUID
    errors: list[Fault]


class HttpError(Exception):
    """A request that is refused before any command hears of it."""

    status: ClassVar[int]
    code: ClassVar[str]

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None, errors: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = list(errors)


class Malformed(HttpError):
    """It cannot be read."""

    status, code = 400, "malformed"


class Unauthenticated(HttpError):
    """It does not say credibly who asks."""

    status, code = 401, "unauthenticated"


class InsufficientScope(HttpError):
    """The token does not allow this."""

    status, code = 403, "insufficient_scope"


class Missing(HttpError):
    """There is no such thing, or the caller may not know of it."""

    status, code = 404, "not_found"


class TooSlow(HttpError):
    """The body does not come in."""

    status, code = 408, "too_slow"


class TooLarge(HttpError):
    """The body is larger than the limit."""

    status, code = 413, "too_large"


class NotJson(HttpError):
    """The body is of a type that is not understood."""

    status, code = 415, "not_json"


class NotValid(HttpError):
    """It can be read, but breaks the schema."""

    status, code = 422, "not_valid"

    def __init__(self, errors: Sequence[Fault]) -> None:
        super().__init__("The request breaks the schema; see `errors`.", errors=errors)


class NotReady(HttpError):
    """Servers that we cannot do without do not answer."""

    status, code = 503, "not_ready"

    def __init__(self, errors: Sequence[Fault]) -> None:
        super().__init__("Try again in a moment; see `errors`.", {"Retry-After": "2"}, errors)


class TooManyStreams(HttpError):
    """As many streams of events are open as may be."""

    status, code = 503, "too_many_streams"


def faults(place: str, within: tuple[str, ...], details: Iterable[ErrorDetails]) -> list[Fault]:
    """What pydantic found, without the input that it found it in."""
    return [
        Fault(place, pointer([*within, *error["loc"]]), error["type"], _words(error)) for error in list(details)[:SHOWN]
    ]


def _words(error: ErrorDetails) -> str:
    # The message about an id quotes characters of it.
    return "Input should be a UUID" if error["type"].startswith("uuid") else error["msg"]


def pointer(location: Sequence[int | str]) -> str:
    """A JSON pointer (RFC 6901)."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "".join(f"/{part}" for part in parts)[:LONGEST_POINTER]


def answer(
    request_id: UUID,
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Fault] = (),
) -> Response:
    """A problem as an answer."""
    title = code.replace("_", " ").capitalize()
    problem = Problem(f"urn:palimpsest:problem:{code}", title, status, code, detail, request_id, list(errors))
    return Response(msgspec.json.encode(problem), status, headers, MEDIA_TYPE)


def status_of(refusal: Refusal) -> int:
    """The HTTP status that a refusal is answered with."""
    return next((status for base, status in STATUS.items() if isinstance(refusal, base)), 409)


def unexpected(request_id: UUID) -> Response:
    """The answer to an error nobody thought of. Its cause is in the log, under the same id."""
    return answer(request_id, 500, "internal", "Something went wrong on our side. The request id tells us what.")


def of_refusal(request: Request, refusal: Refusal) -> Response:
    """A rule said no."""
    status = status_of(refusal)
    return answer(_id(request), status, refusal.code, refusal.detail, CHALLENGE if status == 401 else None)


def of_http_error(request: Request, error: HttpError) -> Response:
    """The request itself was wrong."""
    return answer(_id(request), error.status, error.code, error.detail, error.headers, error.errors)


def of_unavailable(request: Request, error: Unavailable) -> Response:
    """A server we depend on does not answer."""
    headers = {"Retry-After": str(error.retry_after)}
    if isinstance(error, OutcomeUnknown):
        detail = "It is not known whether this was done. Send it again with the same Idempotency-Key to find out."
        return answer(_id(request), 503, "outcome_unknown", detail, headers)
    return answer(_id(request), 503, "unavailable", "Try again in a moment; nothing was changed.", headers)


def of_not_settled(request: Request, error: NotSettled) -> Response:
    """Answer a command whose effect reads may still miss."""
    detail = "This was done, but reads may still miss it. Send it again to be sure."
    return answer(_id(request), 503, "not_settled", detail, {"Retry-After": str(error.retry_after)})


def of_starlette(request: Request, error: HTTPException) -> Response:
    """The router knows no such path (404) or method (405)."""
    code = re.sub(r"\W+", "_", HTTPStatus(error.status_code).phrase.lower())
    details = {404: "There is nothing at this path.", 405: "This path does not allow this method; see `Allow`."}
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request))
    return answer(_id(request), error.status_code, code, details.get(error.status_code, ""), headers)


def _methods(request: Request) -> list[str]:
    """All methods of a path: the router names those of the first route that has it."""
    path = request.url.path
    routes: list[Any] = request.app.router.routes
    found = {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}
    return sorted(found | {"HEAD"} if "GET" in found else found)


def _id(request: Request) -> UUID:
    request_id: UUID = request.scope["palimpsest.context"].request_id
    return request_id
