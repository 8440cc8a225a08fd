"""Problem details (RFC 9457): every error response has one form and a stable code, and repeats no input.

Refusals are mapped to statuses by their base classes: a new refusal needs no change here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

import msgspec
import structlog
from fastapi import Request
from pydantic_core import ErrorDetails, ValidationError
from starlette.responses import Response

from application.ports import (
    KeyReused,
    NotAuthenticated,
    NotSettled,
    OutcomeUnknown,
    PreconditionFailed,
    RateLimited,
    Unavailable,
    Unreadable,
    VersionNeeded,
)
from application.security_actions import SecurityAction, SecurityReason
from domain.kernel import Conflict, Forbidden, Invalid, NotFound, Refusal

MEDIA_TYPE = "application/problem+json"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="palimpsest"'}
ABBREVIATIONS = {"csrf": "CSRF", "json": "JSON"}
"""Words of codes that a title writes in capitals."""
MAX_FAULTS = 20
MAX_POINTER_LENGTH = 200

STATUS: Mapping[type[Refusal], int] = {
    NotAuthenticated: 401,
    PreconditionFailed: 412,
    VersionNeeded: 428,
    KeyReused: 422,
    Invalid: 422,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    RateLimited: 429,
}
"""HTTP statuses by base class; the first match counts."""

ACCESS_REFUSALS: Mapping[str, SecurityReason] = {
    "insufficient_scope": "insufficient_scope",
    "role_too_low": "role_too_low",
}
"""Refusals of access for the security log, by code. Of things that a person may not see, 404 says nothing: those are
counted with all others that do not exist (`palimpsest_http_seconds`)."""

FAILURES: Mapping[str, tuple[int, str]] = {
    "internal": (500, "An unexpected error on our side. If you report it, give the request id."),
    "not_settled": (
        503,
        "This was executed, but reads may not show it yet. Repeat it with its Idempotency-Key to make sure.",
    ),
    "outcome_unknown": (
        503,
        "It is unknown whether this was executed. Send it again with the same Idempotency-Key to find out.",
    ),
    "unavailable": (503, "Try again in a moment; nothing was changed."),
    "unreadable": (
        500,
        "What is stored of this is damaged. A repeat does not help: report it, and give the request id.",
    ),
}
"""Statuses and details of failures on our side, by code."""

log = structlog.get_logger("http")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a request. `pointer` (RFC 6901) locates it within `place`."""

    place: str
    pointer: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An error (RFC 9457). `code` is stable; `detail` says what to do."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: UUID
    errors: list[Fault]


class HttpError(Exception):
    """A request that is refused before it reaches a command or a query."""

    status: ClassVar[int]
    code: ClassVar[str]

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None, errors: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = list(errors)


class Malformed(HttpError):
    """The request cannot be parsed."""

    status, code = 400, "malformed"


class UnsupportedCondition(HttpError):
    """A precondition that this operation cannot check."""

    status, code = 400, "unsupported_condition"


class Unauthenticated(HttpError):
    """Authentication is missing or invalid."""

    status, code = 401, "unauthenticated"


class CsrfRefused(HttpError):
    """A request with cookies lacks the CSRF token of its session."""

    status, code = 403, "csrf_token_needed"


class InsufficientScope(HttpError):
    """The access token lacks a scope."""

    status, code = 403, "insufficient_scope"


class Missing(HttpError):
    """The resource does not exist, or the caller may not see it."""

    status, code = 404, "not_found"


class MethodNotAllowed(HttpError):
    """The path exists, but not with this method."""

    status, code = 405, "method_not_allowed"

    def __init__(self, allowed: Collection[str]) -> None:
        methods = {*allowed, "HEAD"} if "GET" in allowed else {*allowed}
        detail = "This path does not allow this method; see `Allow`."
        super().__init__(detail, {"Allow": ", ".join(sorted(methods))})


class TooSlow(HttpError):
    """The request body was not received in time."""

    status, code = 408, "too_slow"


class TooLarge(HttpError):
    """The body is larger than the limit."""

    status, code = 413, "too_large"


class NotJson(HttpError):
    """The media type of the body is not supported."""

    status, code = 415, "not_json"


class UnsupportedMediaType(HttpError):
    """The media type of the body is none of those that the operation takes."""

    status, code = 415, "unsupported_media_type"


class UnsupportedContentCoding(HttpError):
    """The body has a `Content-Encoding`."""

    status, code = 415, "unsupported_coding"


class UnsupportedTransferCoding(HttpError):
    """The body has a `Transfer-Encoding` that is not understood (RFC 9112, 6.1)."""

    status, code = 501, "unsupported_coding"


class NotValid(HttpError):
    """The request can be parsed, but violates the schema."""

    status, code = 422, "not_valid"

    def __init__(self, errors: Sequence[Fault]) -> None:
        super().__init__("The request violates the schema; see `errors`.", errors=errors)


class NotReady(HttpError):
    """A vital server does not answer."""

    status, code = 503, "not_ready"

    def __init__(self, errors: Sequence[Fault]) -> None:
        super().__init__("Try again in a moment; see `errors`.", {"Retry-After": "2"}, errors)


class TooManyStreams(HttpError):
    """The limit of open event streams is reached."""

    status, code = 503, "too_many_streams"


class Overload(HttpError):
    """The requests that are being received take all the memory that they may."""

    status, code = 503, "overloaded"

    def __init__(self) -> None:
        super().__init__("Too much is being received; try again in a moment.", {"Retry-After": "2"})


def faults(place: str, within: tuple[str, ...], error: ValidationError) -> list[Fault]:
    """Return the faults that pydantic found, without the input. More than `MAX_FAULTS` are counted only."""
    count = error.error_count()
    if count > MAX_FAULTS:
        return [Fault(place, pointer(within), "too_many_faults", f"There are {count} faults, too many to list.")]
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return [Fault(place, pointer([*within, *each["loc"]]), each["type"], _words(each)) for each in details]


def _words(error: ErrorDetails) -> str:
    # The message about a malformed UUID quotes characters of the input.
    return "Input should be a UUID" if error["type"].startswith("uuid") else error["msg"]


def pointer(location: Sequence[int | str]) -> str:
    """Return a JSON pointer (RFC 6901)."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "".join(f"/{part}" for part in parts)[:MAX_POINTER_LENGTH]


def answer(
    request_id: UUID,
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Fault] = (),
) -> Response:
    """Return a response with a problem."""
    problem = Problem(type_of(code), title_of(code), status, code, detail, request_id, list(errors))
    return Response(msgspec.json.encode(problem), status, headers, MEDIA_TYPE)


def title_of(code: str) -> str:
    """Return the title of the errors with a code: its words, with a capital at the begin."""
    words = " ".join(ABBREVIATIONS.get(word, word) for word in code.split("_"))
    return words[:1].upper() + words[1:]


def type_of(code: str) -> str:
    """Return the identifier of the errors with a code (RFC 9457, 3.1.1). `/v1/errors` explains each one."""
    return f"urn:palimpsest:problem:{code}"


def status_of(refusal: Refusal) -> int:
    """Return the HTTP status of a refusal."""
    return status_of_kind(type(refusal))


def status_of_kind(kind: type[Refusal]) -> int:
    """Return the HTTP status of all refusals of a class."""
    return next((status for base, status in STATUS.items() if issubclass(kind, base)), 409)


def noted_refusal(error: Exception) -> tuple[SecurityAction, SecurityReason] | None:
    """Return how the security log names a refusal of access, or by a limit; None: it does not hold this error."""
    if isinstance(error, RateLimited):
        return "exceed_limit", "rate_limited"
    reason = ACCESS_REFUSALS.get(getattr(error, "code", ""))
    return None if reason is None else ("access", reason)


def unexpected(request_id: UUID) -> Response:
    """Return the response to an unexpected error. Its cause is in the log, under the same request id."""
    return _of_failure(request_id, "internal")


def of_refusal(request: Request, refusal: Refusal) -> Response:
    """Answer a refusal."""
    status = status_of(refusal)
    headers = CHALLENGE if status == 401 else None
    if isinstance(refusal, RateLimited):
        headers = {"Retry-After": str(refusal.retry_after)}
        if refusal.work is not None:
            headers["Challenge-Work"] = str(refusal.work)
    return answer(_id(request), status, refusal.code, refusal.detail, headers)


def of_http_error(request: Request, error: HttpError) -> Response:
    """Answer a request that is refused."""
    return answer(_id(request), error.status, error.code, error.detail, error.headers, error.errors)


def of_unavailable(request: Request, error: Unavailable) -> Response:
    """Answer a command or a query that a server failed."""
    code = "outcome_unknown" if isinstance(error, OutcomeUnknown) else "unavailable"
    return _of_failure(_id(request), code, error.retry_after)


def of_unreadable(request: Request, error: Unreadable) -> Response:
    """Answer a command or a query that needs what the store cannot read. The cause is in the log."""
    log.error("stored data cannot be read", exc_info=error)
    return _of_failure(_id(request), "unreadable")


def of_not_settled(request: Request, error: NotSettled) -> Response:
    """Answer a command whose effect reads may still miss."""
    return _of_failure(_id(request), "not_settled", error.retry_after)


def _of_failure(request_id: UUID, code: str, retry_after: int | None = None) -> Response:
    status, detail = FAILURES[code]
    headers = None if retry_after is None else {"Retry-After": str(retry_after)}
    return answer(request_id, status, code, detail, headers)


def _id(request: Request) -> UUID:
    request_id: UUID = request.scope["palimpsest.context"].request_id
    return request_id
