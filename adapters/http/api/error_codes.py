"""All codes of errors, with what they mean and what to do: collected from the classes that are raised."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from inspect import getdoc
from typing import Annotated, TypeVar

from pydantic import Field

from adapters.http.api.openapi import PROBLEMS
from adapters.http.api.problems import FAILURES, HttpError, status_of_kind, type_of
from application.discovery import import_all
from domain.kernel import Refusal

K = TypeVar("K")

PACKAGES = ("domain", "application", "projections", "adapters")

STEPS: Mapping[int, str] = {
    400: "Correct the request: a repeat does not help.",
    401: "Refresh the access token or log in, then send the request again.",
    403: "`detail` says what it takes: a role, a scope, a verified address, a larger plan. Get it, or ask for it.",
    404: "Check the id. If it was shared with you, ask its owner.",
    405: "Use one of the methods in `Allow`.",
    408: "Send the request again; on a slow line, send less at once.",
    409: "Read the present state. `detail` says what it takes, or whom to ask.",
    412: "Read the present state, make your change in it, and send it with the new `ETag`.",
    413: "Send less at once.",
    414: "Send a shorter path and query.",
    415: "Send the body in one of the forms that the response names.",
    422: "Correct the values that `errors` or `detail` name: a repeat does not help.",
    428: "Send `If-Match` with the `ETag` of the version that you have read.",
    429: "Wait as many seconds as `Retry-After` says; where there is a challenge, solve it instead.",
    431: "Send fewer and shorter headers.",
    500: "Report it with its `request_id`, if it happens again.",
    501: "Send the body with `Content-Length`, or `chunked`.",
    503: "Send the request again after the seconds in `Retry-After`, a write with the same `Idempotency-Key`.",
}
"""What to do, by status."""


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One code of errors. `type` identifies it (RFC 9457); `statuses`: those of its responses."""

    code: Annotated[str, Field(examples=["stale_version"])]
    type: Annotated[str, Field(examples=["urn:palimpsest:problem:stale_version"])]
    statuses: Annotated[list[int], Field(examples=[[412]])]
    meaning: str
    next_step: str


@dataclass(frozen=True, slots=True)
class ErrorCodes:
    """All codes of errors, in the order of the alphabet."""

    items: list[ErrorCode]


@cache
def error_codes() -> ErrorCodes:
    """Return all codes of errors."""
    found: dict[str, dict[int, str]] = {}
    for code, status, meaning in (*_raised(), *_failed(), *_described()):
        found.setdefault(code, {}).setdefault(status, meaning)
    return ErrorCodes([_entry(code, meanings) for code, meanings in sorted(found.items())])


def _entry(code: str, meanings: Mapping[int, str]) -> ErrorCode:
    statuses = sorted(meanings)
    steps = dict.fromkeys(STEPS[status] for status in statuses)
    return ErrorCode(code, type_of(code), statuses, " ".join(dict.fromkeys(meanings.values())), " ".join(steps))


def _raised() -> Iterator[tuple[str, int, str]]:
    for package in PACKAGES:
        import_all(package)
    for error in _below(HttpError):
        yield error.code, error.status, _first_sentences(error)
    for refusal in _below(Refusal):
        yield refusal.code, status_of_kind(refusal), _first_sentences(refusal)


def _failed() -> Iterator[tuple[str, int, str]]:
    for code, (status, detail) in FAILURES.items():
        yield code, status, detail


def _described() -> Iterator[tuple[str, int, str]]:
    """Those of the server itself are raised by no class here."""
    for status, (code, meaning) in PROBLEMS.items():
        yield code, status, meaning


def _below(base: type[K]) -> Iterator[type[K]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _below(kind)


def _first_sentences(kind: type) -> str:
    """Return the first line of a class's docstring."""
    return (getdoc(kind) or "").partition("\n")[0]
